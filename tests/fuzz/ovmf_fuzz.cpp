// A hostile firmware image. What parses keeps to the bounds that measuring relies on, and can be
// planned for each TEE, or is refused.
#include <cstdlib>

#include "plan/tee/snp/firmware_plan.hpp"
#include "plan/tee/snp/ovmf.hpp"

namespace {

using namespace bartizan;  // NOLINT

constexpr uint64_t kPage = 4096;

void check_plan(const plan::tee::snp::Ovmf& ovmf, Tee tee) {
  auto plan = plan::tee::snp::firmware_plan(
      ovmf, {tee, Vmm::ec2, 2, 0x800f12, plan::tee::snp::KernelHashes::of({}, {}, "")});
  if (!plan.ok()) return;
  for (const auto& item : plan->items) {
    if (item.address.value + item.size > 1ull << 32) std::abort();
    if (item.bytes && item.bytes->size() > item.size) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto ovmf = plan::tee::snp::parse_ovmf(Bytes(data, data + size));
  if (!ovmf.ok()) return 0;
  uint64_t bytes = 0;
  for (const auto& section : ovmf->sections) {
    if (section.size == 0 || section.size % kPage || section.address % kPage) std::abort();
    bytes += section.size;
  }
  if (bytes > plan::tee::snp::kMaxOvmfSectionBytes) std::abort();
  for (Tee tee : {Tee::sev, Tee::sev_es, Tee::snp}) check_plan(*ovmf, tee);
  return 0;
}
