// Vm: one KVM virtual machine. One method an ioctl, no policy. Any thread; KVM serialises.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"
#include "vmm/kvm/firmware_result.hpp"
#include "vmm/kvm/kernel_api.hpp"
#include "vmm/kvm/kvm_abi.hpp"
#include "vmm/kvm/sev_abi.hpp"
#include "vmm/kvm/tdx_abi.hpp"
#include "vmm/kvm/vcpu.hpp"

namespace bartizan::vmm::kvm {

enum class AddressSpace { mmio, pio };

// A line (GSI) that sends a message (MSI).
struct MessageRoute {
  uint32_t gsi = 0;
  uint64_t address = 0;
  uint32_t data = 0;
};

class Vm {
 public:
  Vm(std::shared_ptr<KernelApi> kernel, UniqueFd fd, size_t run_size)
      : kernel_(std::move(kernel)), fd_(std::move(fd)), run_size_(run_size) {}

  Result<int> check_extension(int capability) const;
  Result<void> enable_cap(uint32_t capability, std::array<uint64_t, 4> arguments);
  Result<void> create_irqchip();  // PIC, I/O APIC and a local APIC for each vCPU, in the kernel
  Result<void> set_tss_addr(uint64_t address);
  Result<void> set_identity_map_addr(uint64_t address);
  Result<void> set_user_memory_region(const kvm_userspace_memory_region& region);
  Result<void> irqfd(int event_fd, uint32_t gsi);
  // A write of `size` bytes at `address` (of exactly `match`, if given) signals `event_fd` instead
  // of exiting.
  Result<void> ioeventfd(int event_fd, AddressSpace space, uint64_t address, uint32_t size,
                         const uint64_t* match);
  // Denied ranges go to user space, as KVM_CAP_X86_USER_SPACE_MSR specifies; all else stays with
  // KVM.
  Result<void> deny_msrs(const std::vector<uint32_t>& indices);
  Result<Vcpu> create_vcpu(uint32_t id);

  // With a split interrupt controller: replaces all routes.
  Result<void> set_message_routes(const std::vector<MessageRoute>& routes);

  // Confidential VMs.
  Result<void> set_user_memory_region2(const MemoryRegion2& region);
  Result<UniqueFd> create_guest_memfd(uint64_t size);
  Result<void> set_memory_attributes(uint64_t address, uint64_t size, uint64_t attributes);
  Result<void> register_encrypted_region(const void* address, uint64_t size);
  // KVM_MEMORY_ENCRYPT_OP. `data` is the command's own structure, or null.
  FirmwareResult sev(SevCommandId id, void* data, int sev_device) const;
  FirmwareResult tdx(TdxCommandId id, void* data) const;

 private:
  Result<int> call(const IoctlRequest& request, unsigned long argument) const;
  std::shared_ptr<KernelApi> kernel_;
  UniqueFd fd_;
  size_t run_size_ = 0;
};

}  // namespace bartizan::vmm::kvm
