// A LUKS2 header as bytes (LUKS2 On-Disk Format Specification 1.0): two copies of the metadata and
// one key slot. Our own, because libcryptsetup draws salts and stripes by itself, and a build from
// given key material must make the same bytes. Pure computation.
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"

namespace bartizan::image {

// All that is in a header beside constants.
struct LuksHeaderSecrets {
  std::string uuid;  // textual
  SecretBytes volume_key;
  SecretBytes passphrase;
  SecretBytes stripes;                 // random, kStripeBytes
  Bytes keyslot_salt, digest_salt;     // kLuksSaltBytes each
  Bytes primary_salt, secondary_salt;  // kHeaderSaltBytes each: of the two copies
};

constexpr uint32_t kVolumeKeyBytes = 64;  // AES-256-XTS: two keys
constexpr uint32_t kStripes = 4000;       // the only number that LUKS2 has (§3.2)
constexpr size_t kStripeBytes = size_t{kVolumeKeyBytes} * (kStripes - 1);  // the last is computed
constexpr size_t kLuksSaltBytes = 32;
constexpr size_t kHeaderSaltBytes = 64;

// Two metadata copies of 16 KiB, then key slots: room for three, so that a recovery passphrase
// finds place.
constexpr uint64_t kLuksHeaderBytes = 1 << 20;

// kLuksHeaderBytes bytes; the encrypted segment begins right behind them.
Result<Bytes> make_luks2_header(const LuksHeaderSecrets& secrets);

}  // namespace bartizan::image
