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

Json to_json(const TeeProbe& from) {
  return Json{{"tee", bartizan::to_string(from.tee)},
              {"available", from.available},
              {"missing", from.missing},
              {"advice", from.advice},
              {"capacity", from.capacity},
              {"in_use", from.in_use}};
}

Json to_json(const HostProbe& from) {
  return Json{{"kvm_usable", from.kvm_usable},
              {"runs_stock_kernels", from.runs_stock_kernels},
              {"kvm_missing", from.kvm_missing},
              {"kvm_advice", from.kvm_advice},
              {"tees", to_json(from.tees)}};
}

Json to_json(const MeasuredPage& from) {
  return Json{{"guest_address", from.guest_address},
              {"kind", from.kind},
              {"what", from.what},
              {"count", from.count}};
}

Json to_json(const Measurement& from) {
  return Json{{"tee", bartizan::to_string(from.tee)},
              {"digest", to_hex(from.digest)},
              {"page_count", from.page_count},
              {"launch_milliseconds", from.launch_milliseconds},
              {"vcpus", from.vcpus},
              {"vcpu_type", from.vcpu_type},
              {"vcpu_signature", from.vcpu_signature},
              {"host_kernel", bartizan::to_string(from.host_kernel)},
              {"c_bit", from.c_bit},
              {"rtmrs", hex_list(from.rtmrs)},
              {"pages", to_json(from.pages)}};
}

Json to_json(const IdBlock& from) {
  return Json{{"block", to_hex(from.block)},
              {"authentication", to_hex(from.authentication)},
              {"id_key_digest", to_hex(from.id_key_digest)},
              {"author_key_digest", to_hex(from.author_key_digest)}};
}

Json to_json(const BundleInfo& from) {
  return Json{{"path", from.path.string()},
              {"kernel_release", from.kernel_release},
              {"kernel_sha256", from.kernel_sha256},
              {"initrd_sha256", from.initrd_sha256},
              {"kernel_bytes", from.kernel_bytes},
              {"initrd_bytes", from.initrd_bytes},
              {"command_line", from.command_line},
              {"digest", from.digest},
              {"replaced_digest", from.replaced_digest}};
}

Json to_json(const BuildReport& from) {
  return Json{{"manifest", text_of(from.manifest)},
              {"workload_digest", to_hex(from.workload_digest)},
              {"workload_id", from.workload_id},
              {"resource", from.resource},
              {"disk_bytes", from.disk_bytes},
              {"entries", from.entries},
              {"content_bytes", from.content_bytes},
              {"image_digest", from.image_digest},
              {"output", from.output.string()}};
}

Json to_json(const LuksKeyslot& from) {
  return Json{{"number", from.number},
              {"unbound", from.unbound},
              {"kdf", from.kdf},
              {"hash", from.hash},
              {"iterations", from.iterations},
              {"memory_kib", from.memory_kib},
              {"threads", from.threads},
              {"key_bytes", from.key_bytes},
              {"cipher", from.cipher},
              {"offset", from.offset},
              {"size", from.size}};
}

Json to_json(const LuksSegment& from) {
  return Json{{"number", from.number},
              {"type", from.type},
              {"offset", from.offset},
              {"size", from.size},
              {"cipher", from.cipher},
              {"sector_size", from.sector_size},
              {"integrity", from.integrity}};
}

Json to_json(const LuksInfo& from) {
  return Json{{"version", from.version},
              {"uuid", from.uuid},
              {"label", from.label},
              {"cipher", from.cipher},
              {"key_bytes", from.key_bytes},
              {"sector_size", from.sector_size},
              {"data_offset", from.data_offset},
              {"integrity", from.integrity},
              {"keyslots", to_json(from.keyslots)},
              {"segments", to_json(from.segments)},
              {"remark", from.remark}};
}

Json to_json(const ImageInfo& from) {
  return Json{{"kind", from.kind},
              {"luks", from.luks ? to_json(*from.luks) : Json()},
              {"scratch_bytes", from.scratch_bytes},
              {"manifest", text_of(from.manifest)},
              {"workload_digest", to_hex(from.workload_digest)},
              {"disk_path", from.disk_path.string()},
              {"disk_offset", from.disk_offset},
              {"disk_bytes", from.disk_bytes},
              {"workload_id", from.workload_id},
              {"broker_url", from.broker_url},
              {"resource", from.resource},
              {"cipher", from.cipher},
              {"verity_root_hash", from.verity_root_hash},
              {"filesystem", from.filesystem},
              {"krun_config", from.krun_config},
              {"vcpus", from.vcpus},
              {"ram_mib", from.ram_mib},
              {"header_bytes", from.header_bytes},
              {"filesystem_bytes", from.filesystem_bytes},
              {"tree_bytes", from.tree_bytes}};
}

Json to_json(const ImageDifference& from) {
  return Json{{"what", from.what},
              {"a", from.a},
              {"b", from.b}};
}

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
              {"guest_port", from.guest_port}};
}

}  // namespace bartizan::view
