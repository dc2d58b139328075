#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

namespace {

std::string text_of(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

Json by_kind(const std::vector<std::pair<std::string, uint64_t>>& counts) {
  Json object = Json::object();
  for (const auto& [kind, count] : counts) object[kind] = count;
  return object;
}

}  // namespace

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string_view to_string(ExitKind kind) {
  switch (kind) {
    case ExitKind::exit_code:
      return "exit_code";
    case ExitKind::signal:
      return "signal";
    case ExitKind::guest_failure:
      return "guest_failure";
    case ExitKind::shutdown:
      return "shutdown";
    case ExitKind::reset:
      return "reset";
    case ExitKind::crash:
      return "crash";
    case ExitKind::stopped:
      return "stopped";
  }
  return "unknown";
}

Json to_json(const Error& error) {
  return Json{{"code", bartizan::to_string(error.code)},
              {"number", static_cast<int32_t>(error.code)},
              {"os_errno", error.os_errno},
              {"origin", error.origin},
              {"message", error.message},
              {"reason", error.reason},
              {"expected", error.expected},
              {"got", error.got},
              {"advice", advice(error.code)}};
}

Json to_json(const HostProbe& probe) {
  Json tees = Json::array();
  for (const TeeProbe& tee : probe.tees)
    tees.push_back({{"tee", bartizan::to_string(tee.tee)},
                    {"available", tee.available},
                    {"missing", tee.missing},
                    {"advice", tee.advice},
                    {"capacity", tee.capacity},
                    {"in_use", tee.in_use}});
  return Json{{"kvm_usable", probe.kvm_usable},
              {"runs_stock_kernels", probe.runs_stock_kernels},
              {"kvm_missing", probe.kvm_missing},
              {"kvm_advice", probe.kvm_advice},
              {"tees", tees}};
}

Json to_json(const Measurement& measurement) {
  Json pages = Json::array();
  for (const MeasuredPage& page : measurement.pages)
    pages.push_back({{"guest_address", page.guest_address},
                     {"kind", page.kind},
                     {"what", page.what},
                     {"count", page.count}});
  Json rtmrs = Json::array();
  for (const auto& value : measurement.rtmrs) rtmrs.push_back(to_hex(value));
  return Json{{"tee", bartizan::to_string(measurement.tee)},
              {"digest", to_hex(measurement.digest)},
              {"page_count", measurement.page_count},
              {"launch_milliseconds", measurement.launch_milliseconds},
              {"vcpus", measurement.vcpus},
              {"vcpu_type", measurement.vcpu_type},
              {"vcpu_signature", measurement.vcpu_signature},
              {"host_kernel", bartizan::to_string(measurement.host_kernel)},
              {"c_bit", measurement.c_bit},
              {"rtmrs", rtmrs},
              {"pages", pages}};
}

Json to_json(const std::vector<Measurement>& measurements) {
  Json list = Json::array();
  for (const Measurement& measurement : measurements) list.push_back(to_json(measurement));
  return list;
}

Json to_json(const IdBlock& block) {
  return Json{{"block", to_hex(block.block)},
              {"authentication", to_hex(block.authentication)},
              {"id_key_digest", to_hex(block.id_key_digest)},
              {"author_key_digest", to_hex(block.author_key_digest)}};
}

Json to_json(const BundleInfo& bundle) {
  return Json{{"path", bundle.path.string()},          {"kernel_release", bundle.kernel_release},
              {"kernel_sha256", bundle.kernel_sha256}, {"initrd_sha256", bundle.initrd_sha256},
              {"kernel_bytes", bundle.kernel_bytes},   {"initrd_bytes", bundle.initrd_bytes},
              {"command_line", bundle.command_line}};
}

Json to_json(const BuildReport& report) {
  return Json{
      {"manifest", text_of(report.manifest)},  {"workload_digest", to_hex(report.workload_digest)},
      {"workload_id", report.workload_id},     {"resource", report.resource},
      {"disk_bytes", report.disk_bytes},       {"entries", report.entries},
      {"content_bytes", report.content_bytes}, {"image_digest", report.image_digest},
      {"output", report.output.string()}};
}

namespace {

Json to_json(const LuksKeyslot& slot) {
  return Json{{"number", slot.number},
              {"unbound", slot.unbound},
              {"kdf", slot.kdf},
              {"hash", slot.hash},
              {"iterations", slot.iterations},
              {"memory_kib", slot.memory_kib},
              {"threads", slot.threads},
              {"key_bytes", slot.key_bytes},
              {"cipher", slot.cipher},
              {"offset", slot.offset},
              {"size", slot.size}};
}

Json to_json(const LuksInfo& luks) {
  Json keyslots = Json::array(), segments = Json::array();
  for (const LuksKeyslot& slot : luks.keyslots) keyslots.push_back(to_json(slot));
  for (const LuksSegment& segment : luks.segments)
    segments.push_back({{"number", segment.number},
                        {"type", segment.type},
                        {"offset", segment.offset},
                        {"size", segment.size},
                        {"cipher", segment.cipher},
                        {"sector_size", segment.sector_size},
                        {"integrity", segment.integrity}});
  return Json{{"version", luks.version},
              {"uuid", luks.uuid},
              {"label", luks.label},
              {"cipher", luks.cipher},
              {"key_bytes", luks.key_bytes},
              {"sector_size", luks.sector_size},
              {"data_offset", luks.data_offset},
              {"integrity", luks.integrity},
              {"keyslots", keyslots},
              {"segments", segments},
              {"remark", luks.remark}};
}

}  // namespace

Json to_json(const ImageInfo& info) {
  return Json{{"kind", info.kind},
              {"luks", info.luks ? to_json(*info.luks) : Json()},
              {"scratch_bytes", info.scratch_bytes},
              {"manifest", text_of(info.manifest)},
              {"workload_digest", to_hex(info.workload_digest)},
              {"disk_path", info.disk_path.string()},
              {"disk_offset", info.disk_offset},
              {"disk_bytes", info.disk_bytes},
              {"workload_id", info.workload_id},
              {"broker_url", info.broker_url},
              {"resource", info.resource},
              {"cipher", info.cipher},
              {"verity_root_hash", info.verity_root_hash},
              {"filesystem", info.filesystem},
              {"krun_config", info.krun_config},
              {"vcpus", info.vcpus},
              {"ram_mib", info.ram_mib},
              {"header_bytes", info.header_bytes},
              {"filesystem_bytes", info.filesystem_bytes},
              {"tree_bytes", info.tree_bytes}};
}

Json to_json(const ImageDifference& difference) {
  return Json{{"what", difference.what}, {"a", difference.a}, {"b", difference.b}};
}

Json to_json(const std::vector<ImageDifference>& differences) {
  Json list = Json::array();
  for (const ImageDifference& difference : differences) list.push_back(to_json(difference));
  return list;
}

Json to_json(const VerifiedEvidence& evidence) {
  return Json{{"tee", bartizan::to_string(evidence.tee)},
              {"measurement", to_hex(evidence.measurement)},
              {"host_data", to_hex(evidence.host_data)},
              {"report_data", to_hex(evidence.report_data)},
              {"policy", evidence.policy},
              {"reported_tcb", evidence.reported_tcb},
              {"version", evidence.version},
              {"chip_id", evidence.chip_id}};
}

Json to_json(const ExitReason& reason) {
  return Json{{"kind", to_string(reason.kind)},
              {"code", reason.code},
              {"stage", reason.stage},
              {"detail", reason.detail},
              {"process_status", reason.process_status()},
              {"description", reason.describe()}};
}

Json to_json(const MachineStats& stats) {
  Json stages = Json::array();
  for (const BootStageStats& stage : stats.stages)
    stages.push_back(
        {{"name", stage.name}, {"milliseconds", stage.milliseconds}, {"exits", stage.exits}});
  return Json{{"stages", stages},
              {"exits", stats.exits},
              {"exits_by_kind", by_kind(stats.exits_by_kind)},
              {"pid1_exits_by_kind", by_kind(stats.pid1_exits_by_kind)},
              {"workload_exits_by_kind", by_kind(stats.workload_exits_by_kind)},
              {"exits_to_pid1", stats.exits_to_pid1},
              {"exits_to_workload", stats.exits_to_workload},
              {"private_page_refusals", stats.private_page_refusals},
              {"shared_pages", stats.shared_pages},
              {"page_state_changes", stats.page_state_changes}};
}

Json to_json(const std::vector<PublishedPort>& ports) {
  Json list = Json::array();
  for (const PublishedPort& port : ports)
    list.push_back({{"host_address", port.host_address},
                    {"host_port", port.host_port},
                    {"guest_port", port.guest_port}});
  return list;
}

}  // namespace bartizan::view
