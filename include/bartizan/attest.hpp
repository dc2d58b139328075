// Evidence and its verification: pure computation with an injected clock; and the guest's side of a
// key release.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "bartizan/tee.hpp"

namespace bartizan {

// A signed report as the TEE made it, with the certificates that came along.
struct Evidence {
  Tee tee = Tee::none;
  // SNP and simulated: 1184 bytes (SNP ABI, ATTESTATION_REPORT)
  std::vector<uint8_t> report = {};
  std::vector<std::vector<uint8_t>> certificates = {};  // DER: VCEK, ASK, ARK
};

// What the verifier demands. Empty or absent: not demanded.
struct EvidencePolicy {
  bool allow_simulated = false;  // evidence of the simulated TEE is refused by name without this
  bool allow_debug = false;
  std::vector<std::vector<uint8_t>> measurements = {};  // any of these
  std::vector<uint8_t> host_data = {};                  // 32 bytes: the workload digest
  std::vector<uint8_t> report_data = {};                // 64 bytes
  uint64_t minimum_tcb = 0;  // each component at least, as in REPORTED_TCB
  // seconds since the epoch, for certificate dates; 0: the clock
  int64_t now = 0;
};

struct VerifiedEvidence {
  Tee tee = Tee::none;
  std::vector<uint8_t> measurement = {};  // 48
  std::vector<uint8_t> host_data = {};    // 32
  std::vector<uint8_t> report_data = {};  // 64
  uint64_t policy = 0;
  uint64_t reported_tcb = 0;
  uint32_t version = 0;
  std::string chip_id = {};  // hex
};

// verification_failed with reason: "simulated", "certificate_chain", "signature", "debug",
// "measurement", "host_data", "report_data", "tcb", "policy", "vmpl", "date". corrupt for a
// malformed report.
Result<VerifiedEvidence> verify_evidence(const Evidence& evidence, const EvidencePolicy& policy);

// Trustee's JSON form of SNP evidence, and back.
Result<std::string> evidence_to_json(const Evidence& evidence);
Result<Evidence> evidence_from_json(std::string_view json, Tee tee);

// Where a client gets its evidence: the guest's device, the simulated TEE's vsock service, a
// recording in a test.
class EvidenceSource {
 public:
  virtual ~EvidenceSource() = default;
  virtual Tee tee() const = 0;
  virtual Result<Evidence> evidence(std::span<const uint8_t> report_data) = 0;  // 64 bytes
};

struct KeyRequest {
  std::string url = {};       // "https://host:port"
  std::string ca_pem = {};    // trusted authority; TLS without it is refused
  std::string resource = {};  // "repository/type/tag"
  uint32_t timeout_ms = 30'000;
};

// The whole KBS 0.4.0 exchange: auth, attest with a fresh EC P-256 key, GET the resource, open the
// JWE. Errors: io (unreachable), verification_failed reason "tls" (wrong CA) or the broker's
// reason, protocol, timed_out.
Result<SecretBytes> request_key(const KeyRequest& request, EvidenceSource& source);

}  // namespace bartizan
