// The simulated TEE: a stock guest kernel takes its real SEV path on any KVM host, and protects
// nothing.
//
// CPUID reports "SEV, C-bit at 39" (AMD APM volume 2, 15.34); the SEV status MSR answers "enabled";
// a second set of memory slots shows the same RAM with the C-bit set in its addresses, so that
// encrypted and plain mappings both work; and the guest reports each private/shared change by
// KVM_HC_MAP_GPA_RANGE, which is how we know what a device may touch.
#include "base/errors.hpp"
#include "vmm/launch/launcher.hpp"

namespace bartizan::vmm::launch {
namespace {

constexpr uint32_t kSevStatusMsr = 0xc0010131;         // AMD APM: SEV_STATUS, bit 0: SEV active
constexpr uint32_t kMigrationControlMsr = 0x4b564d08;  // Linux: MSR_KVM_MIGRATION_CONTROL
constexpr uint64_t kMapGpaRangeHypercall = 12;         // Linux: KVM_HC_MAP_GPA_RANGE
constexpr uint32_t kFeatureMapGpaRange = 1u << 16;     // in CPUID 0x40000001 EAX
constexpr uint32_t kFeatureMigrationControl = 1u << 17;
constexpr uint32_t kPhysicalBits = plan::tee::kSimulatedCBit + 1;
constexpr uint32_t kAliasSlot = 16;  // first slot of the second view; regions are fewer

void announce_sev(kvm::CpuidTable& table) {
  kvm_cpuid_entry2& highest = table.find_or_add(0x8000'0000);
  highest.eax = std::max(highest.eax, 0x8000'001fu);
  kvm_cpuid_entry2& sizes = table.find_or_add(0x8000'0008);
  sizes.eax = (sizes.eax & 0xff00u) | kPhysicalBits;
  kvm_cpuid_entry2& sev = table.find_or_add(0x8000'001f);
  sev.eax = 1u << 1;  // SEV, and nothing else: no SME, SEV-ES, SNP
  // C-bit position; physical address bits that it costs
  sev.ebx = plan::tee::kSimulatedCBit | (1u << 6);
  sev.ecx = sev.edx = 0;
}

class SimulatedLauncher final : public Launcher {
 public:
  memory::PageState initial_page_state() const override { return memory::PageState::private_; }

  Result<void> configure(kvm::Vm& vm, const kvm::CpuidTable&) override {
    TRY(vm.enable_cap(KVM_CAP_EXIT_HYPERCALL, {1ull << kMapGpaRangeHypercall}));
    TRY(vm.enable_cap(KVM_CAP_X86_USER_SPACE_MSR, {KVM_MSR_EXIT_REASON_FILTER}));
    return vm.deny_msrs({kSevStatusMsr, kMigrationControlMsr});
  }

  Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) override {
    TRY(map_regions(vm, memory, 0, 0));
    return map_regions(vm, memory, kAliasSlot, 1ull << plan::tee::kSimulatedCBit);
  }

  void edit_cpuid(kvm::CpuidTable& table) const override {
    announce_sev(table);
    table.find_or_add(0x4000'0001).eax |= kFeatureMapGpaRange | kFeatureMigrationControl;
  }

  Result<void> load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) override {
    return load_pages(plan, target.memory);
  }

  std::optional<uint64_t> read_msr(uint32_t index) const override {
    if (index == kSevStatusMsr) return 1;
    if (index == kMigrationControlMsr) return 0;
    return std::nullopt;
  }
  // The guest announces that it could be migrated now; nobody will.
  bool write_msr(uint32_t index, uint64_t) override { return index == kMigrationControlMsr; }
};

}  // namespace

std::unique_ptr<Launcher> make_simulated_launcher() {
  return std::make_unique<SimulatedLauncher>();
}

}  // namespace bartizan::vmm::launch
