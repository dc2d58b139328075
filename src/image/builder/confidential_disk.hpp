// The disk of a confidential image, from layers: EROFS in LUKS2 under dm-verity, one file, one pass
// over the layers.
#pragma once

#include <filesystem>

#include "bartizan/image.hpp"
#include "image/oci/layout_reader.hpp"
#include "manifest/manifest.hpp"

namespace bartizan::image {

// All that is drawn at random for one disk.
struct DiskSecrets {
  SecretBytes volume_key;
  SecretBytes passphrase;
  Bytes verity_salt;
  std::string luks_uuid, verity_uuid;

  // Fresh randomness; the passphrase too unless given.
  static Result<DiskSecrets> draw(const std::optional<SecretBytes>& passphrase);
};

struct DiskSummary {
  Manifest manifest;  // the members under "disk"
  uint64_t entries = 0, content_bytes = 0;
};

// Makes `path`, which must not exist. Ends at manifest.disk_size; the footer is not in it.
Result<DiskSummary> make_disk(const std::filesystem::path& path,
                              const std::filesystem::path& layout, const SourceImage& source,
                              const DiskSecrets& secrets, const ProgressSink& progress);

}  // namespace bartizan::image
