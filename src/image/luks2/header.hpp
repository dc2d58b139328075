// The LUKS2 header: made and opened by libcryptsetup on plain files, its numbers read back for the
// manifest.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/secret_bytes.hpp"
#include "manifest/manifest.hpp"

namespace bartizan::image {

// Two metadata copies of 16 KiB, then key slots: room for three, so that a recovery passphrase
// finds place.
constexpr uint64_t kLuksHeaderBytes = 1 << 20;
constexpr uint32_t kVolumeKeyBytes = 64;  // AES-256-XTS: two keys

struct LuksHeaderOptions {
  std::string uuid;  // textual
  const SecretBytes* volume_key = nullptr;
  const SecretBytes* passphrase = nullptr;
};

// Writes the header to `path` (an existing file larger than the header); data begins at
// kLuksHeaderBytes. The returned numbers lack the segment's size, which is for the caller to set.
Result<Manifest::Luks2> format_luks2(const std::filesystem::path& path,
                                     const LuksHeaderOptions& options);

// The numbers of the header in `path`, from its JSON. corrupt or unsupported if it is not as ours
// are.
Result<Manifest::Luks2> read_luks2(const std::filesystem::path& path);
// The same from the JSON text itself (LUKS2 On-Disk Format, §3).
Result<Manifest::Luks2> parse_luks2_json(std::string_view json);

// The volume key; verification_failed with reason "disk_key" for a wrong passphrase.
Result<SecretBytes> open_luks2(const std::filesystem::path& path, const SecretBytes& passphrase);

}  // namespace bartizan::image
