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
              {"chip_id", from.chip_id}};
}

}  // namespace bartizan::view
