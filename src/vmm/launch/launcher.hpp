// Launcher: how one kind of TEE is launched through KVM. `machine` calls it in the order of its
// methods; the plan it loads is the value that the digest measured.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "plan/tee/launch_plan.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/vm.hpp"
#include "vmm/launch/launch_identity.hpp"
#include "vmm/memory/vm_memory.hpp"

namespace bartizan::vmm::launch {

// What load() works on: all vCPUs exist, with CPUID and registers set.
struct LaunchTarget {
  kvm::Vm& vm;
  std::vector<kvm::Vcpu*> vcpus;  // boot processor first
  const kvm::CpuidTable& cpuid;   // the boot processor's
  memory::GuestMemory& memory;
};

class Launcher {
 public:
  virtual ~Launcher() = default;

  // Whose registers are set from the plan. The others keep KVM's reset state.
  enum class Registers { boot_processor, all, none };

  virtual unsigned long vm_type() const { return 0; }
  virtual memory::PageState initial_page_state() const = 0;  // of all RAM
  virtual Registers registers() const { return Registers::boot_processor; }
  virtual void edit_cpuid(kvm::CpuidTable& table) const = 0;  // same for every vCPU
  // Whether the plan suits this processor; `supported` is what KVM can show a guest, unedited.
  virtual Result<void> check_host(const kvm::CpuidTable& /*supported*/) const { return {}; }
  // Before interrupt controller, memory and vCPUs; `cpuid` is the boot processor's.
  virtual Result<void> configure(kvm::Vm& vm, const kvm::CpuidTable& cpuid) = 0;
  virtual Result<void> create_interrupt_controller(kvm::Vm& vm) { return vm.create_irqchip(); }
  // The controller in the kernel has no I/O APIC: the machine brings its own.
  virtual bool needs_io_apic() const { return false; }
  virtual Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) = 0;
  virtual Result<void> load(const plan::tee::LaunchPlan& plan, const LaunchTarget& target) = 0;

  // The guest makes pages private or shared. An error: the guest gets a refusal. Any thread.
  virtual Result<void> convert(kvm::Vm& vm, memory::GuestMemory& memory, GuestAddress address,
                               uint64_t pages, memory::PageState state);
  // TDX: a call that KVM leaves to the VMM; fills in the answer. Any thread.
  virtual void tdx_call(memory::GuestMemory&, kvm::ExitTdx&) {}
  // SNP: the guest asks for the certificates of its report; fills in the answer. Any thread.
  virtual void request_certificates(memory::GuestMemory&, kvm::ExitSnpReqCerts&) {}
  // No vCPU runs any more, and memory is about to go.
  virtual void guest_ended() {}
  // What the user should read about this launch, one line each: what the firmware changed.
  virtual std::vector<std::string> remarks() const { return {}; }

  // MSRs that configure() sent to user space. Nothing, false: the guest gets a general protection
  // fault. Any thread.
  virtual std::optional<uint64_t> read_msr(uint32_t index) const = 0;
  virtual bool write_msr(uint32_t index, uint64_t value) = 0;
};

// What launchers of hardware TEEs need beside the plan.
struct LauncherInputs {
  std::shared_ptr<kvm::KernelApi> kernel;
  // Of the plan.
  uint8_t c_bit = 0;
  uint64_t guest_policy = 0, guest_features = 0;
  LaunchIdentity binding;
};

Result<std::unique_ptr<Launcher>> make_launcher(Tee tee, LauncherInputs inputs = {});

std::unique_ptr<Launcher> make_none_launcher();
std::unique_ptr<Launcher> make_simulated_launcher();
std::unique_ptr<Launcher> make_sev_launcher(bool encrypted_state, LauncherInputs inputs);
std::unique_ptr<Launcher> make_snp_launcher(LauncherInputs inputs);
std::unique_ptr<Launcher> make_tdx_launcher(LauncherInputs inputs);

// For launchers whose RAM is ordinary memory: one slot a region from `first_slot` on, at `base +
// region.base`.
Result<void> map_regions(kvm::Vm& vm, const memory::GuestMemory& memory, uint32_t first_slot,
                         uint64_t base);
// Copies the plan's normal pages; zero pages are zero already; the other kinds exist only for real
// hardware.
Result<void> load_pages(const plan::tee::LaunchPlan& plan, memory::GuestMemory& memory);

}  // namespace bartizan::vmm::launch
