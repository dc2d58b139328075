// Results as JSON. Made by scripts/make-api
// from api/*.toml: change those.
#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

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

}  // namespace bartizan::view
