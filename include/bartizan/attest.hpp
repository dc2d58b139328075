// Evidence and its verification: pure computation with an injected clock; and the guest's side of a
// key release.
#pragma once

#include <cstdint>
#include <filesystem>
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

// A signed report as the TEE made it, with what came along to verify it by.
struct Evidence {
  Tee tee = Tee::none;
  // SNP and simulated: 1184 bytes (SNP ABI, ATTESTATION_REPORT). TDX: a quote of version 4
  // or 5.
  std::vector<uint8_t> report = {};
  // DER or PEM, in any order: VCEK or VLEK, ASK or ASVK, ARK. AMD's authorities are built in, so
  // the VCEK is enough; EvidencePolicy::collateral has those that are missing.
  std::vector<std::vector<uint8_t>> certificates = {};
  std::vector<std::vector<uint8_t>> revocation_lists = {};  // DER; SNP: AMD's
  std::vector<uint8_t> event_log = {};                      // TDX: CCEL, replayed into the RTMRs
  // TDX: JSON object with the members tcb_info, tcb_info_signature, tcb_info_issuer_chain,
  // qe_identity, qe_identity_signature, qe_identity_issuer_chain, pck_crl, pck_crl_issuer_chain,
  // root_ca_crl (texts; signatures and lists in hexadecimal, chains in PEM).
  std::string collateral = {};
};

// What the verifier demands. Empty or absent: not demanded.
struct EvidencePolicy {
  bool allow_simulated = false;  // evidence of the simulated TEE is refused by name without this
  bool allow_debug = false;
  std::vector<std::vector<uint8_t>> measurements = {};  // any of these
  // 32 bytes: the workload digest; in TDX the beginning of MRCONFIGID, whose rest is then zero
  std::vector<uint8_t> host_data = {};
  std::vector<uint8_t> report_data = {};  // 64 bytes
  // Each component at least, as in REPORTED_TCB of Milan and Genoa. A number means another thing on
  // Turin, whose evidence is refused if this is not 0: `json` has minimums for each product.
  uint64_t minimum_tcb = 0;
  // seconds since the epoch, for certificate dates; 0: the clock
  int64_t now = 0;
  // The rest, as docs/reference/evidence-policy.schema.json has it; "": its defaults, which are
  // strict. What both demand must both be so; what either allows is allowed.
  std::string json = {};
  // Folder from which evidence gets what it came without; "": none. SNP: the VCEK, as
  // `vcek/CHIP_ID/bl04_tee00_snp24_ucode219_vcek.der` (Trustee's offline store; on Turin `_fmcN`
  // before `_vcek`), and `crl/*.der`. TDX: `tdx/FMSPC.json`, the collateral.
  std::filesystem::path collateral = {};
};

// What evidence contains. A field that its TEE does not have is empty or 0.
struct VerifiedEvidence {
  Tee tee = Tee::none;
  std::vector<uint8_t> measurement = {};  // 48: launch digest, MRTD
  std::vector<uint8_t> host_data = {};    // 32; TDX: MRCONFIGID, 48 if its end is not zero
  std::vector<uint8_t> report_data = {};  // 64
  uint64_t policy = 0;                    // TDX: TD attributes
  uint64_t reported_tcb = 0;
  uint32_t version = 0;
  std::string chip_id = {};  // hex; TDX: none
  std::string product = {};  // "Milan"; TDX: "TDX"
  std::string signer = {};   // "vcek", "vlek"; TDX: "pck"
  std::string tcb = {};      // as JSON by component, as policies have minimums; TDX: its SVNs
  uint32_t vmpl = 0, guest_svn = 0;
  uint64_t platform_info = 0;
  std::vector<std::vector<uint8_t>> runtime_measurements = {};  // TDX: RTMR 0 to 3
  std::string tcb_status = {};  // TDX: "UpToDate" …, by its TCB info
  std::string advisories = {};  // TDX: "INTEL-SA-…", with commas
};

enum class CheckOutcome { passed = 0, failed = 1, not_applicable = 2 };
std::string_view to_string(CheckOutcome outcome);

struct EvidenceCheck {
  std::string name = {};  // stable, for programs
  CheckOutcome outcome = CheckOutcome::not_applicable;
  std::string expected = {}, found = {};
};

// Every check of a policy, in order. Accepted: none has failed.
struct EvidenceVerdict {
  bool accepted = false;
  std::string reason = {};   // of the first check that failed, as verify_evidence() has it
  std::string message = {};  // what is wrong, with the next step
  std::optional<VerifiedEvidence> content = {};  // believed or not
  std::vector<EvidenceCheck> checks = {};
};

// All checks, on success and failure alike; the files of `collateral` are read, otherwise this is
// pure computation. Errors: corrupt for a malformed report or quote,
// invalid_argument for a malformed policy, unsupported for a TEE without evidence.
Result<EvidenceVerdict> judge_evidence(const Evidence& evidence, const EvidencePolicy& policy);

// verification_failed with the reason of the first check that failed: "simulated",
// "certificate_chain", "signature", "revoked", "date", "product", "unknown_fields",
// "report_version", "debug", "measurement", "host_data", "report_data", "tcb", "policy", "vmpl",
// "platform", "chip_id", "firmware", "guest_svn", "id_key", "author_key", "mitigation"; of TDX also
// "qe", "collateral", "tcb_status", "tdx_module", "attributes", "xfam", "runtime_measurement",
// "event_log". And the errors of judge_evidence().
Result<VerifiedEvidence> verify_evidence(const Evidence& evidence, const EvidencePolicy& policy);

// What evidence contains, without judging it: nothing here is proven. corrupt, unsupported.
Result<VerifiedEvidence> show_evidence(const Evidence& evidence);

// CoCo's JSON form of SNP and TDX evidence, and back.
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
  // JWS of the workload's owner about its version, shown to the broker; empty: none.
  std::string statement = {};
};

// The whole KBS 0.4.0 exchange: auth, attest with a fresh EC P-256 key, GET the resource, open the
// JWE. Errors: io (unreachable), verification_failed reason "tls" (wrong CA) or the broker's
// reason, protocol, timed_out.
Result<SecretBytes> request_key(const KeyRequest& request, EvidenceSource& source);

}  // namespace bartizan
