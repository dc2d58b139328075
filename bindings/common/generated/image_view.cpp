// Results as JSON. Made by scripts/make-api
// from api/*.toml: change those.
#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

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
              {"host_may", from.host_may},
              {"statement", from.statement},
              {"version", from.version},
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

}  // namespace bartizan::view
