#include "guest/init/storage/dm_table.hpp"

#include <fmt/format.h>

#include "base/units.hpp"

namespace bartizan::guest::init::storage {

// No option is given: a block that does not fit the tree is EIO, each time it is read
// (check_at_most_once would let a host swap it after its first check).
DmTable verity_table(const guest_abi::Manifest::Verity& verity, std::string_view device) {
  const std::string salt = verity.salt.empty() ? "-" : to_hex(verity.salt);
  return {verity.data_blocks * (verity.block_size / kSectorSize), "verity",
          fmt::format("1 {} {} {} {} {} {} {} {} {}", device, device, verity.block_size,
                      verity.block_size, verity.data_blocks, verity.hash_offset / verity.block_size,
                      verity.algorithm, to_hex(verity.root_hash), salt)};
}

// LUKS2 counts IVs in units of 512 bytes even where sectors are larger, so iv_large_sectors stays
// out; the segment's iv_tweak is 0.
DmTable crypt_table(const guest_abi::Manifest::Luks2& luks2, std::string_view device,
                    std::string_view key_description) {
  std::string parameters = fmt::format("{} :{}:logon:{} 0 {} {}", luks2.cipher, luks2.key_bytes,
                                       key_description, device, luks2.offset / kSectorSize);
  if (luks2.sector_size != kSectorSize) {
    parameters += fmt::format(" 1 sector_size:{}", luks2.sector_size);
  }
  return {luks2.size / kSectorSize, "crypt", std::move(parameters)};
}

DmTable scratch_crypt_table(uint64_t bytes, std::string_view device,
                            std::string_view key_description) {
  return {bytes / kSectorSize, "crypt",
          fmt::format("aes-xts-plain64 :{}:logon:{} 0 {} 0 1 sector_size:4096", kScratchKeyBytes,
                      key_description, device),
          true};
}

// Documentation/admin-guide/device-mapper/dm-integrity: device, reserved sectors, tag size ("-": of
// the hash), mode D, options.
DmTable scratch_integrity_table(uint64_t sectors, std::string_view device,
                                std::string_view hex_key) {
  return {sectors, "integrity",
          fmt::format("{} 0 - D 3 block_size:4096 journal_sectors:1 internal_hash:hmac(sha256):{}",
                      device, hex_key),
          true, true};
}

}  // namespace bartizan::guest::init::storage
