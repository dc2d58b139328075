// All that is random in one disk: drawn afresh, or derived from key material that the caller gives,
// so that the same build can be made again.
#pragma once

#include <optional>

#include "image/luks2/header_writer.hpp"

namespace bartizan::image::builder {

// Fewer bytes cannot hold the 256 random bits that a key slot of 1000 rounds relies on.
constexpr size_t kLeastKeyBytes = 32;

struct DiskSecrets {
  luks2::LuksHeaderSecrets luks;
  Bytes verity_salt;  // 32 bytes
  Bytes verity_uuid;  // 16 bytes

  // Fresh randomness; the disk key too unless given.
  static Result<DiskSecrets> draw(const std::optional<SecretBytes>& disk_key);

  // Everything from `disk_key` by HKDF. `image`: digest of the source image, so that two images
  // under one disk key share no volume key. The disk key must be random, as salts that
  // everybody sees come from it too and none of them costs a guesser 1000 rounds.
  static Result<DiskSecrets> derive(const SecretBytes& disk_key, std::string_view image);
};

}  // namespace bartizan::image::builder
