// TeeKernel: a Linux with KVM, AMD's and Intel's confidential-computing halves included, in this
// process. It is strict: what a real kernel, firmware or module refuses, it refuses with the errno
// and firmware code that they give; it measures what it is given by itself; and it plays a guest
// that touches memory as a real one would.
//
// Use: make one, set `host`, `scripts` or `fail_call`, hand it out as kvm::KernelApi, look at it
// afterwards. README.md of this folder tells how to test another implementation against it. Any
// thread may call; what it saw is read when no vCPU runs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fakes/tee_kernel_guest.hpp"
#include "fakes/tee_kernel_host.hpp"
#include "fakes/tee_kernel_vm.hpp"
#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::fakes {

class TeeKernel : public vmm::kvm::KernelApi {
 public:
  TeeKernel();
  explicit TeeKernel(TeeHost host);
  ~TeeKernel() override;

  int open(const char* path, int flags) override;
  int ioctl(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument) override;
  void* mmap(size_t size, int protection, int flags, int fd) override;
  int munmap(void* address, size_t size) override;

  // Set before use.
  TeeHost& host() { return shared_.host; }
  std::map<uint32_t, std::vector<GuestStep>>& scripts() { return shared_.scripts; }
  size_t fail_call = SIZE_MAX;  // number of the call that fails (KVM_RUN is not counted), from 0
  int fail_errno = 0;

  // Returns when a vCPU is in KVM_RUN and has nothing to do but wait for a kick.
  void wait_for_idle_vcpu() { shared_.idle.wait(false); }

  // What it saw.
  size_t calls() const { return calls_; }
  const std::string& failed_call() const { return failed_call_; }
  // One line a call, stable and without addresses of this process: for golden files. KVM_RUN is not
  // in it.
  std::string transcript() const;
  // What no call refuses, but would break on hardware; empty after a good run.
  const std::vector<std::string>& findings() const { return shared_.findings; }
  // VMs in the order of their creation.
  size_t vm_count() const { return vms_.size(); }
  TeeVm& vm(size_t index) { return *vms_.at(index); }
  TeeVm& last_vm() { return *vms_.back(); }

 private:
  enum class Kind { system, vm, vcpu };
  struct Target {
    Kind kind = Kind::system;
    uint64_t identity = 0;  // of the file, so that a reused number is not taken for it
    size_t vm = 0;
    uint32_t vcpu = 0;
  };
  bool must_fail(const std::string& name);
  int new_file(const char* name);
  const Target* target(int fd) const;
  int sev_device_call(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int dispatch(const Target& to, const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int system_call(const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int supported_cpuid(const vmm::kvm::IoctlRequest& request, unsigned long argument);
  int create_vm(unsigned long type);
  int device_attribute(const vmm::kvm::IoctlRequest& request, unsigned long argument);
  void record(const Target& to, const vmm::kvm::IoctlRequest& request, int result);
  bool asid_free() const;

  mutable std::mutex mutex_;
  TeeShared shared_;
  FakeKvm plain_;  // answers of the system device that have nothing to do with TEEs
  int plain_fd_ = -1;
  std::map<int, Target> targets_;
  std::vector<std::unique_ptr<TeeVm>> vms_;
  std::vector<std::string> transcript_;
  size_t calls_ = 0;
  std::string failed_call_;
};

}  // namespace bartizan::fakes
