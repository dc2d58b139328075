// The owner's side of a SEV or SEV-ES launch (SEV API, chapter 2.1 and LAUNCH_START,
// LAUNCH_MEASURE, LAUNCH_SECRET): transport keys for one platform, the judgement of what was
// launched, and a secret that only that launch can open.
#pragma once

#include <utility>

#include "attest/sev/launch.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "crypto/ec.hpp"

namespace bartizan::attest::sev {

constexpr size_t kTransportKeyBytes = 16;

// Immutable once made; any thread.
class OwnerSession {
 public:
  // Fresh transport keys, wrapped for `platform` under a fresh Diffie-Hellman key.
  static Result<std::pair<OwnerSession, Start>> open(const crypto::EcKey& platform,
                                                     uint32_t guest_policy);

  // Whether the firmware, which alone can know our integrity key, measured `launch_digest`. Takes
  // the same time whatever differs.
  Result<bool> is_launch_of(ByteView launch_digest, const Firmware& firmware,
                            const SevMeasurement& seen) const;

  // Padded with zeros to whole blocks. For that launch only: the MAC also covers its measurement.
  Result<SevSecret> seal(const SecretBytes& secret, const SevMeasurement& seen) const;

 private:
  friend struct OwnerSessionVector;  // tests: published keys
  OwnerSession(SecretBytes encryption, SecretBytes integrity, uint32_t guest_policy)
      : encryption_(std::move(encryption)),
        integrity_(std::move(integrity)),
        guest_policy_(guest_policy) {}
  Result<Bytes> session_blob(const SecretBytes& shared, ByteView nonce, ByteView iv) const;

  SecretBytes encryption_, integrity_;  // TEK, TIK
  uint32_t guest_policy_ = 0;
};

}  // namespace bartizan::attest::sev
