// TDX through KVM (Linux Documentation/virt/kvm/x86/intel-tdx.rst): INIT_VM, then for each vCPU its
// CPUID and INIT_VCPU, then the plan's pages in their order, measured as far as their content
// counts, then FINALIZE. Interrupts: the I/O APIC is ours, for a TD hides the end of interrupts.
#include <algorithm>
#include <cerrno>

#include "base/errors.hpp"
#include "base/guest_address.hpp"
#include "base/units.hpp"
#include "plan/tee/tdx/digest.hpp"
#include "vmm/launch/aligned_pages.hpp"
#include "vmm/launch/causes.hpp"
#include "vmm/launch/launcher.hpp"
#include "vmm/launch/private_memory.hpp"
#include "vmm/launch/tdx/init_vm.hpp"
#include "vmm/launch/tdx/quote.hpp"

namespace bartizan::vmm::launch {
namespace {

using kvm::TdxCommandId;

constexpr const char* kOrigin = "tee/tdx";
constexpr uint64_t kInterruptLines = 24;  // of the I/O APIC that the ACPI tables describe
constexpr size_t kBatchPages = 256;       // that one INIT_MEM_REGION copies at a time

// A caller whose process gets signals all the time: so many in a row without a page loaded is no
// accident.
constexpr int kMaxInterruptions = 100;

class TdxLauncher final : public Launcher {
 public:
  explicit TdxLauncher(LauncherInputs inputs)
      : inputs_(std::move(inputs)), batch_(kBatchPages), quotes_(inputs_.binding.quote_service) {}

  unsigned long vm_type() const override { return static_cast<unsigned long>(kvm::VmType::tdx); }
  memory::PageState initial_page_state() const override { return memory::PageState::private_; }
  Registers registers() const override { return Registers::none; }
  void edit_cpuid(kvm::CpuidTable& table) const override { tdx::edit_cpuid(table); }

  Result<void> configure(kvm::Vm& vm, const kvm::CpuidTable& cpuid) override;
  Result<void> create_interrupt_controller(kvm::Vm& vm) override {
    return explain(vm.enable_cap(kvm::kCapSplitIrqchip, {kInterruptLines}), "KVM_ENABLE_CAP");
  }
  bool needs_io_apic() const override { return true; }
  Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) override {
    return ram_.map(vm, memory);
  }
  Result<void> load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) override;
  Result<void> convert(kvm::Vm& vm, memory::GuestMemory& memory, GuestAddress address,
                       uint64_t pages, memory::PageState state) override {
    return ram_.convert(vm, memory, address, pages, state);
  }
  void tdx_call(memory::GuestMemory& memory, kvm::ExitTdx& call) override;
  void guest_ended() override { quotes_.stop(); }
  std::optional<uint64_t> read_msr(uint32_t) const override { return std::nullopt; }
  bool write_msr(uint32_t, uint64_t) override { return false; }

 private:
  Result<void> load_item(kvm::Vcpu& vcpu, const plan::tee::PlanItem& item);
  Result<void> add(kvm::Vcpu& vcpu, const std::string& what, kvm::TdxInitMemRegion region,
                   bool measure);

  LauncherInputs inputs_;
  PrivateMemory ram_;
  AlignedPages batch_;
  tdx::QuoteForwarder quotes_;
};

Result<void> TdxLauncher::configure(kvm::Vm& vm, const kvm::CpuidTable& cpuid) {
  TRY(tdx::check_quote_service(inputs_.binding.quote_service));
  if (!batch_.valid()) return errno_error(ENOMEM, kOrigin, "launch buffer");
  auto enabled = vm.enable_cap(kvm::kCapExitHypercall, {1ull << kvm::kHypercallMapGpaRange});
  TRY(explain(std::move(enabled), "KVM_ENABLE_CAP"));
  return tdx::init_vm(vm, cpuid, inputs_.binding.workload_digest, inputs_.guest_policy);
}

Result<void> TdxLauncher::load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) {
  for (kvm::Vcpu* vcpu : target.vcpus) {
    auto id = TdxCommandId::init_vcpu;
    TRY(explain(id, vcpu->tdx(id, 0, 0)));
  }
  TRY(ram_.make_private(target.vm, target.memory));
  for (const plan::tee::PlanItem& item : plan.items) TRY(load_item(*target.vcpus.front(), item));
  auto id = TdxCommandId::finalize_vm;
  return explain(id, target.vm.tdx(id, nullptr));
}

// The bytes of normal items; zeros for all else, and behind them.
Result<void> TdxLauncher::load_item(kvm::Vcpu& vcpu, const plan::tee::PlanItem& item) {
  plan::tee::tdx::Load how = plan::tee::tdx::load_of(item.kind);
  if (how == plan::tee::tdx::Load::none) return {};
  ByteView bytes = item.bytes == nullptr ? ByteView() : ByteView(*item.bytes);
  if (item.kind == plan::tee::PageKind::zero) bytes = {};
  if (bytes.size() > item.size) {
    return make_error(ErrorCode::internal, kOrigin, "plan item {}: {} bytes in a range of {}",
                      item.what, bytes.size(), item.size);
  }
  for (uint64_t offset = 0; offset < item.size; offset += batch_.size()) {
    uint64_t size = std::min<uint64_t>(batch_.size(), item.size - offset);
    ByteView rest = bytes.subspan(std::min<uint64_t>(offset, bytes.size()));
    batch_.fill(rest.first(std::min<uint64_t>(size, rest.size())), size);
    kvm::TdxInitMemRegion region{batch_.address(), item.address.value + offset, size / kPageSize};
    TRY(add(vcpu, item.what, region, how == plan::tee::tdx::Load::add_and_extend));
  }
  return {};
}

// KVM moves the fields on to what is left, in success and failure alike; a signal is not a failure.
Result<void> TdxLauncher::add(kvm::Vcpu& vcpu, const std::string& what,
                              kvm::TdxInitMemRegion region, bool measure) {
  auto id = TdxCommandId::init_mem_region;
  uint32_t flags = measure ? kvm::kTdxMeasureMemoryRegion : 0;
  for (int interruptions = 0; region.nr_pages != 0;) {
    uint64_t before = region.nr_pages, gpa = region.gpa;
    auto outcome = vcpu.tdx(id, flags, reinterpret_cast<uint64_t>(&region));
    bool progress = region.nr_pages < before;
    interruptions = progress ? 0 : interruptions + 1;
    bool again = outcome.ok() ? progress : outcome.os_errno == EINTR;
    if (again && interruptions < kMaxInterruptions) continue;
    Error error = outcome.ok() ? make_error(ErrorCode::protocol, kOrigin, "{}: no progress",
                                            kvm::request::tdx(id).name)
                               : explain(id, outcome).error();
    error.message += fmt::format(": {} at guest address {:#x}", what, gpa);
    return error;
  }
  return {};
}

void TdxLauncher::tdx_call(memory::GuestMemory& memory, kvm::ExitTdx& call) {
  if (call.nr != kvm::kTdvmcallGetQuote) return;  // KVM's preset answer is "unsupported"
  call.ret = quotes_.request(memory, {call.get_quote.gpa}, call.get_quote.size);
}

}  // namespace

std::unique_ptr<Launcher> make_tdx_launcher(LauncherInputs inputs) {
  return std::make_unique<TdxLauncher>(std::move(inputs));
}

}  // namespace bartizan::vmm::launch
