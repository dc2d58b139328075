// Launcher: how one kind of TEE is launched through KVM. `machine` calls it in the order of its
// methods; the plan it loads is the value that the digest measured.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "bartizan/result.hpp"
#include "kvm/cpuid.hpp"
#include "kvm/vm.hpp"
#include "memory/vm_memory.hpp"
#include "tee/plan.hpp"

namespace bartizan::tee {

class Launcher {
 public:
  virtual ~Launcher() = default;

  virtual unsigned long vm_type() const { return 0; }
  virtual memory::PageState initial_page_state() const = 0;  // of all RAM
  virtual Result<void> configure(kvm::Vm& vm) = 0;           // before memory and vCPUs
  virtual Result<void> map_memory(kvm::Vm& vm, const memory::GuestMemory& memory) = 0;
  virtual void edit_cpuid(kvm::CpuidTable& table) const = 0;  // same for every vCPU
  virtual Result<void> load(const LaunchPlan& plan, memory::GuestMemory& memory) = 0;

  // MSRs that configure() sent to user space. Nothing, false: the guest gets a general protection
  // fault. Any thread.
  virtual std::optional<uint64_t> read_msr(uint32_t index) const = 0;
  virtual bool write_msr(uint32_t index, uint64_t value) = 0;
};

// unsupported: this build cannot launch that TEE.
Result<std::unique_ptr<Launcher>> make_launcher(Tee tee);

std::unique_ptr<Launcher> make_none_launcher();
std::unique_ptr<Launcher> make_simulated_launcher();

// For launchers whose RAM is ordinary memory: one slot a region from `first_slot` on, at `base +
// region.base`.
Result<void> map_regions(kvm::Vm& vm, const memory::GuestMemory& memory, uint32_t first_slot,
                         uint64_t base);
// Copies the plan's normal pages; zero pages are zero already; the other kinds exist only for real
// hardware.
Result<void> load_pages(const LaunchPlan& plan, memory::GuestMemory& memory);

}  // namespace bartizan::tee
