// What a verifier demands, in one struct for each TEE: EvidencePolicy with its JSON part read and
// both joined. The JSON form is docs/reference/evidence-policy.schema.json; a member that is not
// in it is an error, because a demand that nobody checks is none.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "attest/evidence/snp_report.hpp"
#include "attest/verify/vendor_certificates.hpp"
#include "bartizan/attest.hpp"
#include "base/units.hpp"

namespace bartizan::attest::verify {

constexpr size_t kMaxPolicyJson = 64 * kKiB;

// A bit of a field: must be set, must be clear, or is not looked at.
enum class BitDemand { any, set, clear };
struct BitRule {
  std::string_view name;
  uint8_t bit;
  BitDemand demand = BitDemand::any;
};

struct SnpDemands {
  std::vector<evidence::Product> products = {evidence::Product::milan, evidence::Product::genoa,
                                             evidence::Product::turin};
  std::map<evidence::Product, evidence::TcbVersion> minimum_tcb;
  uint32_t oldest_version = evidence::kMinReportVersion,
           newest_version = evidence::kMaxReportVersion;
  bool accept_unknown_fields = false;
  bool accept_vcek = true, accept_vlek = false;
  bool accept_masked_chip_id = false;
  std::vector<Bytes> chip_ids;  // empty: any
  uint32_t maximum_vmpl = 0, minimum_guest_svn = 0;
  evidence::FirmwareVersion minimum_abi;       // of the guest policy; no build
  evidence::FirmwareVersion minimum_firmware;  // the committed one
  std::vector<BitRule> guest_policy, platform;
  std::vector<Bytes> id_keys, author_keys;  // digests; empty: not demanded
  uint64_t launch_mitigations = 0, current_mitigations = 0;
  bool require_revocation_list = false;
  std::map<evidence::Product, std::vector<std::string>> roots;  // hashes in place of AMD's
};

struct TdxDemands {
  std::vector<std::string> tcb_statuses = {"UpToDate"};
  std::vector<BitRule> attributes;
  bool accept_unknown_fields = false;
  uint64_t xfam_required = 3, xfam_allowed = ~uint64_t{0};  // x87 and SSE are in every TD
  std::vector<Bytes> mr_seam, mr_config_id, mr_owner, mr_owner_config;  // any of; empty: any
  std::array<std::vector<Bytes>, 4> rtmrs;
  uint64_t minimum_evaluation_number = 0;  // tcbEvaluationDataNumber of the collateral
  bool require_event_log = false;
  std::vector<std::string> roots;  // hashes in place of Intel's
};

struct Demands {
  bool allow_simulated = false;
  std::vector<std::vector<Bytes>> measurements;  // one of each list
  std::vector<Bytes> host_data, report_data;     // each of these
  uint64_t raw_minimum_tcb = 0;                  // EvidencePolicy::minimum_tcb
  int64_t now = 0;
  SnpDemands snp;
  TdxDemands tdx;
};

// invalid_argument: the JSON part is malformed, has a member that is not known, or a value of a
// wrong kind or size. The clock is read here if the policy has none.
Result<Demands> read_policy(const EvidencePolicy& policy);

}  // namespace bartizan::attest::verify
