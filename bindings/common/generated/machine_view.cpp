// Results as JSON. Made by scripts/make-api
// from api/*.toml: change those.
#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

std::string_view to_string(ExitKind value) {
  switch (value) {
    case ExitKind::exit_code: return "exit_code";
    case ExitKind::signal: return "signal";
    case ExitKind::guest_failure: return "guest_failure";
    case ExitKind::shutdown: return "shutdown";
    case ExitKind::reset: return "reset";
    case ExitKind::crash: return "crash";
    case ExitKind::stopped: return "stopped";
  }
  return "unknown";
}

Json to_json(const ExitReason& from) {
  return Json{{"kind", to_string(from.kind)},
              {"code", from.code},
              {"stage", from.stage},
              {"detail", from.detail},
              {"process_status", from.process_status()},
              {"description", from.describe()}};
}

Json to_json(const BootStageStats& from) {
  return Json{{"name", from.name},
              {"milliseconds", from.milliseconds},
              {"exits", from.exits}};
}

Json to_json(const MachineStats& from) {
  return Json{{"stages", to_json(from.stages)},
              {"exits", from.exits},
              {"exits_by_kind", by_kind(from.exits_by_kind)},
              {"pid1_exits_by_kind", by_kind(from.pid1_exits_by_kind)},
              {"workload_exits_by_kind", by_kind(from.workload_exits_by_kind)},
              {"exits_to_pid1", from.exits_to_pid1},
              {"exits_to_workload", from.exits_to_workload},
              {"private_page_refusals", from.private_page_refusals},
              {"shared_pages", from.shared_pages},
              {"page_state_changes", from.page_state_changes}};
}

Json to_json(const PublishedPort& from) {
  return Json{{"host_address", from.host_address},
              {"host_port", from.host_port},
              {"guest_port", from.guest_port},
              {"protocol", bartizan::to_string(from.protocol)}};
}

}  // namespace bartizan::view
