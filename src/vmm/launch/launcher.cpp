#include "vmm/launch/launcher.hpp"

#include "base/errors.hpp"

namespace bartizan::vmm::launch {

Result<std::unique_ptr<Launcher>> make_launcher(Tee tee, LauncherInputs inputs) {
  switch (tee) {
    case Tee::none:
      return make_none_launcher();
    case Tee::simulated:
      return make_simulated_launcher();
    case Tee::snp:
      return make_snp_launcher(std::move(inputs));
    case Tee::tdx:
      return make_tdx_launcher(std::move(inputs));
    case Tee::sev:
    case Tee::sev_es:
      return make_sev_launcher(tee == Tee::sev_es, std::move(inputs));
  }
  return make_error(ErrorCode::invalid_argument, "tee", "unknown TEE {}",
                    static_cast<int32_t>(tee));
}

Result<void> Launcher::convert(kvm::Vm&, memory::GuestMemory& memory, GuestAddress address,
                               uint64_t pages, memory::PageState state) {
  memory.set_state(address, pages, state);
  return {};
}

Result<void> map_regions(kvm::Vm& vm, const memory::GuestMemory& memory, uint32_t first_slot,
                         uint64_t base) {
  const auto& regions = memory.regions();
  for (size_t i = 0; i < regions.size(); ++i) {
    kvm_userspace_memory_region slot{};
    slot.slot = first_slot + static_cast<uint32_t>(i);
    slot.guest_phys_addr = base + regions[i].base.value;
    slot.memory_size = regions[i].size;
    slot.userspace_addr = reinterpret_cast<uint64_t>(memory.host_address(i));
    TRY(vm.set_user_memory_region(slot));
  }
  return {};
}

Result<void> load_pages(const plan::tee::LaunchPlan& plan, memory::GuestMemory& memory) {
  for (const plan::tee::PlanItem& item : plan.items) {
    if (item.kind != plan::tee::PageKind::normal || item.bytes == nullptr) continue;
    if (item.bytes->size() > item.size) {
      return make_error(ErrorCode::internal, "tee", "plan item {}: {} bytes in a range of {}",
                        item.what, item.bytes->size(), item.size);
    }
    TRY(memory.load(item.address, *item.bytes));
  }
  return {};
}

}  // namespace bartizan::vmm::launch
