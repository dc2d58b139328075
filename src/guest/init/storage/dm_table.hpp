// Device-mapper table lines for what the manifest describes
// (Documentation/admin-guide/device-mapper/{verity,dm-crypt}).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "guest_abi/manifest.hpp"

namespace bartizan::guest::init::storage {

struct DmTable {
  uint64_t sectors = 0;  // length of the mapping, in units of 512 bytes
  std::string target;    // "verity", "crypt"
  std::string parameters;
  bool writable = false;
  bool secret = false;  // the parameters hold a key: the kernel wipes its copy of the request
};

// `device` is "major:minor" of the disk; data and hash tree are on the same one.
DmTable verity_table(const guest_abi::Manifest::Verity& verity, std::string_view device);

// `device` is the verity device; the key is named, not shown: a "logon" key of the caller's
// keyrings.
DmTable crypt_table(const guest_abi::Manifest::Luks2& luks2, std::string_view device,
                    std::string_view key_description);

// The whole of a scratch disk, encrypted under a named key of kScratchKeyBytes; what lies on it,
// dm-integrity's own superblock and tags too, is neither readable to the host nor of its choice.
constexpr uint32_t kScratchKeyBytes = 64;
DmTable scratch_crypt_table(uint64_t bytes, std::string_view device,
                            std::string_view key_description);

// Authenticated sectors of 4096 bytes: HMAC-SHA-256 under `key` over sector number and content,
// written directly, without a journal: after a crash nobody wants this disk back.
constexpr uint32_t kIntegrityKeyBytes = 32;
DmTable scratch_integrity_table(uint64_t sectors, std::string_view device,
                                std::string_view hex_key);

}  // namespace bartizan::guest::init::storage
