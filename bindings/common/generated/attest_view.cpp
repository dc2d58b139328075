// Results as JSON. Made by scripts/make-api
// from api/*.toml: change those.
#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

Json to_json(const VerifiedEvidence& from) {
  return Json{{"tee", bartizan::to_string(from.tee)},
              {"measurement", to_hex(from.measurement)},
              {"host_data", to_hex(from.host_data)},
              {"report_data", to_hex(from.report_data)},
              {"policy", from.policy},
              {"reported_tcb", from.reported_tcb},
              {"version", from.version},
              {"chip_id", from.chip_id},
              {"product", from.product},
              {"signer", from.signer},
              {"tcb", from.tcb},
              {"vmpl", from.vmpl},
              {"guest_svn", from.guest_svn},
              {"platform_info", from.platform_info},
              {"runtime_measurements", hex_list(from.runtime_measurements)},
              {"tcb_status", from.tcb_status},
              {"advisories", from.advisories}};
}

Json to_json(const EvidenceCheck& from) {
  return Json{{"name", from.name},
              {"outcome", bartizan::to_string(from.outcome)},
              {"expected", from.expected},
              {"found", from.found}};
}

Json to_json(const EvidenceVerdict& from) {
  return Json{{"accepted", from.accepted},
              {"reason", from.reason},
              {"message", from.message},
              {"content", from.content ? to_json(*from.content) : Json()},
              {"checks", to_json(from.checks)}};
}

}  // namespace bartizan::view
