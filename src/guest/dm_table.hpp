// Device-mapper table lines for what the manifest describes
// (Documentation/admin-guide/device-mapper/{verity,dm-crypt}).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "manifest/manifest.hpp"

namespace bartizan::guest {

struct DmTable {
  uint64_t sectors = 0;  // length of the mapping, in units of 512 bytes
  std::string target;    // "verity", "crypt"
  std::string parameters;
};

// `device` is "major:minor" of the disk; data and hash tree are on the same one.
DmTable verity_table(const Manifest::Verity& verity, std::string_view device);

// `device` is the verity device; the key is named, not shown: a "logon" key of the caller's
// keyrings.
DmTable crypt_table(const Manifest::Luks2& luks2, std::string_view device,
                    std::string_view key_description);

}  // namespace bartizan::guest
