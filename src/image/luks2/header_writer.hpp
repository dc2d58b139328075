// A LUKS2 header as bytes (LUKS2 On-Disk Format Specification 1.0): two copies of the metadata and
// one or two key slots. For builds from given key material alone, which must make the same bytes:
// all others go through libcryptsetup (header.hpp), which draws salts and stripes by itself. Pure
// computation.
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::image::luks2 {

// All that is in a header beside constants.
struct LuksHeaderSecrets {
  std::string uuid;  // textual
  SecretBytes volume_key;
  SecretBytes disk_key;
  SecretBytes recovery;  // passphrase of a second key slot; empty: none
  // Empty, as all below, where libcryptsetup is to draw them.
  SecretBytes stripes, recovery_stripes;           // random, kStripeBytes each
  Bytes keyslot_salt, recovery_salt, digest_salt;  // kLuksSaltBytes each
  Bytes primary_salt, secondary_salt;              // kHeaderSaltBytes each: of the two copies
};

constexpr uint32_t kVolumeKeyBytes = 64;  // AES-256-XTS: two keys
constexpr uint32_t kStripes = 4000;       // the only number that LUKS2 has (§3.2)
constexpr size_t kStripeBytes = size_t{kVolumeKeyBytes} * (kStripes - 1);  // the last is computed
constexpr size_t kLuksSaltBytes = 32;
constexpr size_t kHeaderSaltBytes = 64;

// Two metadata copies of 16 KiB, then key slots: space for three, so that a recovery passphrase
// finds place.
constexpr uint64_t kLuksHeaderBytes = kMiB;
constexpr uint64_t kLuksMetadataBytes = 16 * kKiB;  // of each copy: the smallest that LUKS2 has
constexpr uint32_t kLuksSectorBytes = kBlockSize;   // of the encrypted segment
// A disk key has 256 random bits; no number of rounds makes guessing it harder, so it is the least
// that LUKS2 allows.
constexpr uint32_t kLuksIterations = 1000;
// A recovery passphrase is made for people, and everybody who has the image may guess: Argon2id
// (RFC 9106), its memory the most that fits a build's 256 MiB, its passes the least that LUKS2
// allows. Fixed numbers, not a benchmark: neither how hard it is nor a repeatable build's bytes
// depend on the build machine.
constexpr uint32_t kRecoveryMemoryKib = 192 * kMiB / kKiB;
constexpr uint32_t kRecoveryPasses = 4;
constexpr uint32_t kRecoveryThreads = 4;

// kLuksHeaderBytes bytes; the encrypted segment begins right behind them.
Result<Bytes> make_luks2_header(const LuksHeaderSecrets& secrets);

}  // namespace bartizan::image::luks2
