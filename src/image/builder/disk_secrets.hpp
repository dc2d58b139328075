// All that is random in one disk: drawn afresh, or derived from key material that the caller gives,
// so that the same build can be made again.
#pragma once

#include <optional>

#include "image/luks2/header_writer.hpp"

namespace bartizan::image {

struct DiskSecrets {
  LuksHeaderSecrets luks;
  Bytes verity_salt;  // 32 bytes
  Bytes verity_uuid;  // 16 bytes

  // Fresh randomness; the passphrase too unless given.
  static Result<DiskSecrets> draw(const std::optional<SecretBytes>& passphrase);

  // Everything from `passphrase` by HKDF. `image`: digest of the source image, so that two images
  // under one passphrase share no volume key. The passphrase must be random, as salts that
  // everybody sees come from it too and none of them costs a guesser 1000 rounds.
  static Result<DiskSecrets> derive(const SecretBytes& passphrase, std::string_view image);
};

}  // namespace bartizan::image
