// FakeKvm: KVM in this process, for tests. Descriptors are memfds, so leaks show in /proc/self/fd.
// It keeps what it was told (slots, irqfds, ioeventfds, CPUID, registers), refuses what KVM would
// refuse, plays a script of exits for each vCPU, and can fail the n-th call with an errno.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::fakes {

class FakeKvm final : public vmm::kvm::KernelApi {
 public:
  // Fills kvm_run like an exit would; returns what KVM_RUN returns (negative: an errno).
  using Exit = std::function<int(kvm_run&)>;

  struct FakeVcpu {
    uint32_t id = 0;
    kvm_run* run = nullptr;
    std::vector<kvm_cpuid_entry2> cpuid;
    std::map<uint32_t, uint64_t> msrs;
    kvm_regs regs{};
    kvm_sregs sregs{};
    bool sregs_set = false;
    size_t next_exit = 0;
    size_t pauses = 0;  // KVM_KVMCLOCK_CTRL
  };

  ~FakeKvm() override;
  int open(const char* path, int flags) override;
  int ioctl(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument) override;
  void* mmap(size_t size, int protection, int flags, int fd) override;
  int munmap(void* address, size_t size) override;

  // Set before use.
  std::map<uint32_t, std::vector<Exit>> scripts;  // by vCPU; when it ends, KVM_RUN waits for a kick
  std::map<int, int> capabilities;                // answer of KVM_CHECK_EXTENSION; others: 0
  int api_version = 12;
  int open_errno = 0;
  size_t fail_call = SIZE_MAX;  // number of the call that fails, counted from 0
  int fail_errno = 0;
  std::function<void(size_t call)> at_call;  // before the call, with its number

  // What it saw. Read when no vCPU runs.
  size_t calls = 0;
  std::string failed_call;
  std::map<uint32_t, kvm_userspace_memory_region> slots;
  std::map<uint32_t, int> irqfds;  // by GSI
  std::vector<kvm_ioeventfd> ioeventfds;
  std::vector<kvm_irq_routing_entry> routes;
  std::vector<uint32_t> denied_msrs;
  std::map<uint32_t, uint64_t> enabled_caps;  // capability -> args[0]
  std::map<uint32_t, FakeVcpu> vcpus;
  bool irqchip = false;

 private:
  enum class Kind { system, vm, vcpu };
  struct Owner {
    Kind kind = Kind::system;
    uint32_t vcpu = 0;
  };
  bool must_fail(const std::string& name);
  int new_descriptor(Owner owner, size_t size);
  int system_call(unsigned long number, unsigned long argument);
  int vm_call(unsigned long number, unsigned long argument);
  int vcpu_call(FakeVcpu& vcpu, unsigned long number, unsigned long argument);
  int create_vcpu(uint32_t id);
  int set_slot(const kvm_userspace_memory_region& slot);
  int run(FakeVcpu& vcpu);

  std::mutex mutex_;
  std::map<int, Owner> owners_;
};

}  // namespace bartizan::fakes
