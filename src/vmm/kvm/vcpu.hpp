// Vcpu: one KVM virtual CPU and its shared kvm_run page. One method an ioctl, no policy.
//
// All methods on the thread that runs the vCPU (or before it runs), except set_immediate_exit: any
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/firmware_result.hpp"
#include "vmm/kvm/kernel_api.hpp"
#include "vmm/kvm/kvm_abi.hpp"
#include "vmm/kvm/tdx_abi.hpp"

namespace bartizan::vmm::kvm {

class Vcpu {
 public:
  static Result<Vcpu> create(std::shared_ptr<KernelApi> kernel, UniqueFd fd, uint32_t id,
                             size_t run_size);
  Vcpu(Vcpu&& other) noexcept;
  Vcpu& operator=(Vcpu&&) = delete;
  ~Vcpu();

  uint32_t id() const { return id_; }

  // Runs until an exit. false: interrupted (a kick or any signal), no exit to handle. A memory
  // fault is an exit, though KVM_RUN fails with it; but broken memory (EHWPOISON) is an error.
  Result<bool> run();
  kvm_run& shared() { return *run_; }
  void set_immediate_exit(bool value);  // signal-safe

  Result<void> set_cpuid(const CpuidTable& table);
  Result<kvm_regs> regs() const;
  Result<void> set_regs(const kvm_regs& regs);
  Result<kvm_sregs> sregs() const;
  Result<void> set_sregs(const kvm_sregs& sregs);
  Result<void> set_fpu(const kvm_fpu& fpu);
  Result<kvm_lapic_state> lapic() const;
  Result<void> set_lapic(const kvm_lapic_state& lapic);
  // The guest's watchdogs learn that its time stood still. An error where it has no kvmclock.
  Result<void> mark_paused() const;
  Result<uint64_t> msr(uint32_t index) const;
  Result<void> set_msr(uint32_t index, uint64_t value);
  // KVM_MEMORY_ENCRYPT_OP
  FirmwareResult tdx(TdxCommandId id, uint32_t flags, uint64_t data) const;

 private:
  Vcpu(std::shared_ptr<KernelApi> kernel, UniqueFd fd, uint32_t id, kvm_run* run, size_t run_size);
  Result<int> call(const IoctlRequest& request, const void* argument) const;
  Error broken_memory() const;

  std::shared_ptr<KernelApi> kernel_;
  UniqueFd fd_;
  uint32_t id_ = 0;
  kvm_run* run_ = nullptr;
  size_t run_size_ = 0;
};

}  // namespace bartizan::vmm::kvm
