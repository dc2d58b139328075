// No TEE: ordinary memory that the host may touch, nothing measured, nothing attested.
#include "vmm/launch/launcher.hpp"

namespace bartizan::vmm::launch {
namespace {

class NoneLauncher final : public Launcher {
 public:
  memory::PageState initial_page_state() const override { return memory::PageState::shared; }
  Result<void> configure(kvm::Vm&, const kvm::CpuidTable&) override { return {}; }
  Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) override {
    return map_regions(vm, memory, 0, 0);
  }
  void edit_cpuid(kvm::CpuidTable&) const override {}
  Result<void> load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) override {
    return load_pages(plan, target.memory);
  }
  std::optional<uint64_t> read_msr(uint32_t) const override { return std::nullopt; }
  bool write_msr(uint32_t, uint64_t) override { return false; }
};

}  // namespace

std::unique_ptr<Launcher> make_none_launcher() {
  return std::make_unique<NoneLauncher>();
}

}  // namespace bartizan::vmm::launch
