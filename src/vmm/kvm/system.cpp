#include "vmm/kvm/system.hpp"

#include <fcntl.h>

#include <cerrno>

#include "base/errors.hpp"
#include "vmm/kvm/gmem_abi.hpp"

namespace bartizan::vmm::kvm {
namespace {

constexpr const char* kOrigin = "kvm";

// KVM answers E2BIG until the buffer is large enough. Real tables have about 50 entries; a kernel
// that wants more than this is broken.
constexpr uint32_t kFirstCpuidEntries = 128;
constexpr uint32_t kMaxCpuidEntries = 4096;

Result<int> call(KernelApi& kernel, int fd, const IoctlRequest& request, unsigned long argument) {
  int got = kernel.ioctl(fd, request, argument);
  if (got < 0) return errno_error(errno, kOrigin, request.name);
  return got;
}

}  // namespace

Result<System> System::open(std::shared_ptr<KernelApi> kernel,
                            const std::filesystem::path& device) {
  UniqueFd fd(kernel->open(device.c_str(), O_RDWR));
  if (!fd.valid()) return errno_error(errno, kOrigin, fmt::format("{}: open", device.native()));
  int version = kernel->ioctl(fd.get(), request::get_api_version, 0);
  if (version < 0) {
    return errno_error(errno, kOrigin, fmt::format("{}: KVM_GET_API_VERSION", device.native()));
  }
  if (version != kApiVersion) {
    return make_error(ErrorCode::unsupported, kOrigin, "{}: KVM API version {}, need {}",
                      device.native(), version, kApiVersion);
  }
  return System(std::move(kernel), std::move(fd));
}

Result<int> System::check_extension(int capability) const {
  return call(*kernel_, fd_.get(), request::check_extension,
              static_cast<unsigned long>(capability));
}

Result<CpuidTable> System::supported_cpuid() const {
  for (uint32_t space = kFirstCpuidEntries; space <= kMaxCpuidEntries; space *= 2) {
    std::vector<uint8_t> buffer(sizeof(CpuidHead) + space * sizeof(kvm_cpuid_entry2));
    auto* head = reinterpret_cast<CpuidHead*>(buffer.data());
    head->count = space;
    auto argument = reinterpret_cast<unsigned long>(buffer.data());
    if (kernel_->ioctl(fd_.get(), request::get_supported_cpuid, argument) < 0) {
      if (errno == E2BIG) continue;
      return errno_error(errno, kOrigin, request::get_supported_cpuid.name);
    }
    auto* first = reinterpret_cast<const kvm_cpuid_entry2*>(buffer.data() + sizeof(CpuidHead));
    return CpuidTable({first, first + std::min(head->count, space)});
  }
  return make_error(ErrorCode::unsupported, kOrigin,
                    "KVM_GET_SUPPORTED_CPUID: more than {} entries", kMaxCpuidEntries);
}

Result<size_t> System::vcpu_mmap_size() const {
  int size = TRY(call(*kernel_, fd_.get(), request::get_vcpu_mmap_size, 0));
  if (static_cast<size_t>(size) < sizeof(kvm_run)) {
    return make_error(ErrorCode::unsupported, kOrigin, "KVM_GET_VCPU_MMAP_SIZE: {} bytes, need {}",
                      size, sizeof(kvm_run));
  }
  return static_cast<size_t>(size);
}

Result<Vm> System::create_vm(unsigned long type) const {
  size_t run_size = TRY(vcpu_mmap_size());
  int fd = TRY(call(*kernel_, fd_.get(), request::create_vm, type));
  return Vm(kernel_, UniqueFd(fd), run_size);
}

std::optional<uint64_t> System::device_attribute(uint32_t group, uint64_t attribute) const {
  uint64_t value = 0;
  DeviceAttribute wish{0, group, attribute, reinterpret_cast<uint64_t>(&value)};
  auto argument = reinterpret_cast<unsigned long>(&wish);
  if (kernel_->ioctl(fd_.get(), request::get_device_attr, argument) < 0) return std::nullopt;
  return value;
}

Result<UniqueFd> open_device(KernelApi& kernel, const std::filesystem::path& device) {
  UniqueFd fd(kernel.open(device.c_str(), O_RDWR));
  if (!fd.valid()) return errno_error(errno, kOrigin, fmt::format("{}: open", device.native()));
  return fd;
}

}  // namespace bartizan::vmm::kvm
