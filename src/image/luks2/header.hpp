// The LUKS2 header as libcryptsetup reads and opens it, on plain files: its numbers for the
// manifest, its volume key.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/secret_bytes.hpp"
#include "guest_abi/manifest.hpp"
#include "image/luks2/header_writer.hpp"

namespace bartizan::image::luks2 {

// Writes the header into the file `path`, which must be kLuksHeaderBytes and a block long:
// libcryptsetup draws salts and stripes.
Result<void> format_luks2(const std::filesystem::path& path, const LuksHeaderSecrets& secrets);

// The numbers of the header in `path`, from its JSON. corrupt or unsupported if it is not as ours
// are.
Result<guest_abi::Manifest::Luks2> read_luks2(const std::filesystem::path& path);
// The same from the JSON text itself (LUKS2 On-Disk Format, §3).
Result<guest_abi::Manifest::Luks2> parse_luks2_json(std::string_view json);

// The volume key; verification_failed with reason "disk_key" for a wrong disk key.
Result<SecretBytes> open_luks2(const std::filesystem::path& path, const SecretBytes& disk_key);

}  // namespace bartizan::image::luks2
