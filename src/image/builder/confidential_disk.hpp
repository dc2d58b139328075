// The disk of a confidential image, from layers: EROFS in LUKS2 under dm-verity, in one pass over
// the layers, written at its final place inside a larger file.
#pragma once

#include <filesystem>

#include "bartizan/image.hpp"
#include "crypto/hash.hpp"
#include "image/builder/disk_secrets.hpp"
#include "image/builder/filesystem_builder.hpp"
#include "image/oci/layout_reader.hpp"
#include "manifest/manifest.hpp"

namespace bartizan::image {

struct DiskPlace {
  int fd = -1;                   // borrowed
  uint64_t start = 0;            // of the disk, in bytes
  std::string name;              // of the file, for errors
  std::filesystem::path folder;  // for a temporary file
  // What the file system will probably be, and then who hears the disk from its first byte on while
  // it is written. Both borrowed; null: neither.
  const FilesystemForecast* forecast = nullptr;
  crypto::Hasher* stream = nullptr;
};

struct DiskTotals {
  uint64_t entries = 0, content_bytes = 0;
  uint64_t heard = 0;  // by the stream, of the disk's first bytes; 0: the forecast was wrong
};

// Of a disk with a file system of that size, without the footer.
uint64_t disk_bytes_for(uint64_t filesystem_bytes);

// The header's bytes, and its numbers as libcryptsetup reads them (the segment's size is still 0).
// libcryptsetup also had to find the volume key in it.
struct LuksHeader {
  Bytes bytes;
  Manifest::Luks2 numbers;
};
Result<LuksHeader> make_checked_header(const DiskSecrets& secrets);

// Fills the members under "disk" of `manifest`, whose luks2 must be `header.numbers`. The disk ends
// at manifest.disk_size; the footer is not in it.
Result<DiskTotals> make_disk(const DiskPlace& place, const Layout& layout,
                             const SourceImage& source, const DiskSecrets& secrets, ByteView header,
                             Manifest& manifest, const ProgressSink& progress);

}  // namespace bartizan::image
