// VirtualMachine: a launch plan brought to life on KVM: VM, RAM, buses and vCPUs, without virtio
// devices.
//
// create() loads the plan; devices are then put on the buses and connected; run() starts the vCPU
// threads. Confined to one thread, but for stop(), pause(), resume() and what memory() and exits()
// allow.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vmm/devices/bus.hpp"
#include "vmm/kvm/system.hpp"
#include "vmm/launch/launcher.hpp"
#include "vmm/memory/staging_window.hpp"
#include "vmm/memory/vm_memory.hpp"
#include "vmm/vcpu/thread.hpp"

namespace bartizan::vmm::vcpu {

class VirtualMachine {
 public:
  static Result<std::unique_ptr<VirtualMachine>> create(
      std::shared_ptr<kvm::KernelApi> kernel, const std::filesystem::path& kvm_device,
      const plan::tee::LaunchPlan& plan, launch::LaunchIdentity binding = {},
      memory::Backing backing = memory::Backing::pages);
  ~VirtualMachine();  // stops and joins

  devices::Bus& pio() { return pio_; }
  devices::Bus& mmio() { return mmio_; }
  memory::GuestMemory& memory() { return *memory_; }
  const memory::GuestMemory& memory() const { return *memory_; }
  const vcpu::ExitCounters& exits() const { return exits_; }
  // The guest has taken what was staged for it: that memory goes back to the host. Any thread.
  void give_back_staging() {
    if (staging_ != nullptr) staging_->give_back();
  }
  std::vector<std::string> remarks() const { return launcher_->remarks(); }

  // A write to `event_fd` raises global interrupt `gsi` in the guest (edge).
  Result<void> connect_interrupt(int event_fd, uint32_t gsi);
  // A 32-bit write of exactly `value` at the MMIO `address` signals `event_fd` without an exit.
  Result<void> connect_notify(int event_fd, uint64_t address, uint64_t value);

  // `on_end`: on a vCPU's thread, for each vCPU once. If a thread cannot be started, or set up, the
  // others are stopped again.
  Result<void> run(const vcpu::VcpuThread::OnEnd& on_end, const ThreadSetup& setup = {});
  void stop();  // makes all vCPUs leave the guest. Any thread, also a vCPU's
  // Returns when no vCPU is in the guest any more, or one of them was resumed meanwhile. Any
  // thread, as resume().
  void pause();
  void resume();
  void join();  // not on a vCPU's thread

 private:
  VirtualMachine(std::unique_ptr<launch::Launcher> launcher, kvm::Vm vm,
                 std::unique_ptr<memory::GuestMemory> memory);
  Result<void> prepare_vm(const kvm::CpuidTable& cpuid);
  Result<void> create_vcpus(const kvm::CpuidTable& supported, const plan::tee::LaunchPlan& plan);
  Result<void> set_up_vcpu(kvm::Vcpu& vcpu, const kvm::CpuidTable& table,
                           const plan::tee::LaunchPlan& plan);
  Result<void> load(const kvm::CpuidTable& cpuid, const plan::tee::LaunchPlan& plan);
  void set_handlers();
  Result<void> add_io_apic();
  Result<void> map_staging();

  // In this order: what is destroyed first comes last. KVM must let go of RAM before it is
  // unmapped.
  std::unique_ptr<launch::Launcher> launcher_;
  std::unique_ptr<memory::GuestMemory> memory_;
  std::unique_ptr<memory::StagingWindow> staging_;  // or none
  kvm::Vm vm_;
  devices::Bus pio_, mmio_;
  vcpu::Handlers handlers_;
  vcpu::ExitCounters exits_;
  std::vector<std::unique_ptr<vcpu::VcpuThread>> vcpus_;
};

}  // namespace bartizan::vmm::vcpu
