// System: the KVM device itself. One method an ioctl.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/kernel_api.hpp"
#include "vmm/kvm/vm.hpp"

namespace bartizan::vmm::kvm {

constexpr int kApiVersion = 12;  // the only one there has been since Linux 2.6.22

class System {
 public:
  // not_found, permission_denied or unsupported (other API version) name the device.
  static Result<System> open(std::shared_ptr<KernelApi> kernel,
                             const std::filesystem::path& device);

  Result<int> check_extension(int capability) const;  // 0: the kernel does not have it
  Result<CpuidTable> supported_cpuid() const;
  Result<size_t> vcpu_mmap_size() const;
  Result<Vm> create_vm(unsigned long type) const;
  // What this host's KVM supports beyond its extensions; nothing: it does not know that attribute.
  std::optional<uint64_t> device_attribute(uint32_t group, uint64_t attribute) const;

 private:
  System(std::shared_ptr<KernelApi> kernel, UniqueFd fd)
      : kernel_(std::move(kernel)), fd_(std::move(fd)) {}
  std::shared_ptr<KernelApi> kernel_;
  UniqueFd fd_;
};

// Opens another device of the kernel, such as /dev/sev. Errors name it.
Result<UniqueFd> open_device(KernelApi& kernel, const std::filesystem::path& device);

}  // namespace bartizan::vmm::kvm
