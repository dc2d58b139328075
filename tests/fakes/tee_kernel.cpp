#include "fakes/tee_kernel.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/psp-sev.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace bartizan::fakes {
namespace {

// Calls that give out a descriptor: its number depends on the process, so transcripts name what it
// is.
const char* descriptor_name(unsigned long number) {
  if (number == KVM_CREATE_VM) return "vm";
  if (number == KVM_CREATE_VCPU) return "vcpu";
  return number == vmm::kvm::request::create_guest_memfd.number ? "gmem" : nullptr;
}

std::string outcome(unsigned long number, int result) {
  if (result < 0) {
    const char* name = ::strerrorname_np(-result);
    return fmt::format("-{}", name == nullptr ? "?" : name);
  }
  const char* descriptor = descriptor_name(number);
  return descriptor != nullptr ? descriptor : fmt::to_string(result);
}

}  // namespace

TeeKernel::TeeKernel() : TeeKernel(TeeHost{}) {}

TeeKernel::TeeKernel(TeeHost host) {
  shared_.host = std::move(host);
  shared_.asid_free = [this] { return asid_free(); };
  plain_fd_ = plain_.open("/dev/kvm", O_RDWR);
}

TeeKernel::~TeeKernel() {
  ::close(plain_fd_);
}

bool TeeKernel::must_fail(const std::string& name) {
  if (calls_++ != fail_call) return false;
  failed_call_ = name;
  return true;
}

int TeeKernel::new_file(const char* name) {
  return ::memfd_create(name, MFD_CLOEXEC);
}

int TeeKernel::open(const char* path, int) {
  std::lock_guard lock(mutex_);
  bool is_sev = std::string_view(path) == "/dev/sev";
  int error = is_sev ? host().sev_open_errno : host().kvm_open_errno;
  if (must_fail("open")) error = fail_errno;
  transcript_.push_back(fmt::format("open {} -> {}", path, error == 0 ? "ok" : outcome(0, -error)));
  if (error != 0) {
    errno = error;
    return -1;
  }
  int fd = new_file(is_sev ? "fake-sev" : "fake-kvm");
  uint64_t identity = file_identity(fd).value_or(0);
  if (is_sev)
    shared_.sev_devices.insert(identity);
  else
    targets_[fd] = {Kind::system, identity, 0, 0};
  return fd;
}

void* TeeKernel::mmap(size_t size, int protection, int flags, int fd) {
  std::lock_guard lock(mutex_);
  bool failing = must_fail("mmap");
  auto is_gmem = [fd](const auto& vm) { return vm->memory().is_guest_memfd(fd); };
  if (failing || std::any_of(vms_.begin(), vms_.end(), is_gmem)) {
    errno = failing ? fail_errno : ENODEV;  // guest_memfd without the MMAP flag
    return MAP_FAILED;
  }
  return ::mmap(nullptr, size, protection, flags, fd, 0);
}

int TeeKernel::munmap(void* address, size_t size) {
  return ::munmap(address, size);
}

const TeeKernel::Target* TeeKernel::target(int fd) const {
  auto found = targets_.find(fd);
  bool ours = found != targets_.end() && file_identity(fd) == found->second.identity;
  return ours ? &found->second : nullptr;
}

int TeeKernel::ioctl(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  std::unique_lock lock(mutex_);
  if (request.number == SEV_ISSUE_CMD) return sev_device_call(fd, request, argument);
  const Target* known = target(fd);
  if (known == nullptr) {
    errno = EBADF;
    return -1;
  }
  Target to = *known;
  int result = 0;
  if (to.kind == Kind::vcpu && request.number == KVM_RUN) {
    result = vms_[to.vm]->run(to.vcpu, lock);
  } else {
    shared_.detail.clear();
    result = must_fail(request.name) ? -fail_errno : dispatch(to, request, argument);
    record(to, request, result);
  }
  if (result >= 0) return result;
  errno = -result;
  return -1;
}

// The driver of the security processor (Linux drivers/crypto/ccp/sev-dev.c): of its commands those
// that change nothing.
int TeeKernel::sev_device_call(int fd, const vmm::kvm::IoctlRequest& request,
                               unsigned long argument) {
  auto* command = reinterpret_cast<sev_issue_cmd*>(argument);
  int result = 0;
  if (must_fail(request.name)) {
    result = -fail_errno;
  } else if (!shared_.is_sev_device(static_cast<uint32_t>(fd))) {
    result = -ENOTTY;
  } else if (command->cmd != SEV_PLATFORM_STATUS) {
    result = -EINVAL;
  } else {
    sev_user_data_status status{};
    status.api_major = host().firmware_api_major;
    status.api_minor = host().firmware_api_minor;
    status.build = host().firmware_build;
    status.state = 1;  // initialised, which KVM has seen to
    std::memcpy(reinterpret_cast<void*>(command->data), &status, sizeof status);
    command->error = 0;
  }
  transcript_.push_back(fmt::format("{} -> {}", request.name, outcome(request.number, result)));
  if (result == 0) return 0;
  errno = -result;
  return -1;
}

void TeeKernel::record(const Target& to, const vmm::kvm::IoctlRequest& request, int result) {
  std::string line = request.name;
  if (to.kind == Kind::vcpu) line = fmt::format("vcpu {} {}", to.vcpu, line);
  if (!shared_.detail.empty()) line += " " + shared_.detail;
  transcript_.push_back(fmt::format("{} -> {}", line, outcome(request.number, result)));
}

int TeeKernel::dispatch(const Target& to, const vmm::kvm::IoctlRequest& request,
                        unsigned long argument) {
  if (to.kind == Kind::system) return system_call(request, argument);
  TeeVm& vm = *vms_[to.vm];
  if (to.kind == Kind::vcpu) return vm.vcpu_call(to.vcpu, request, argument);
  int result = vm.vm_call(request, argument);
  if (request.number == KVM_CREATE_VCPU && result >= 0) {
    auto id = static_cast<uint32_t>(argument);
    targets_[result] = {Kind::vcpu, file_identity(result).value_or(0), to.vm, id};
  }
  return result;
}

int TeeKernel::create_vm(unsigned long type) {
  shared_.detail = fmt::format("type={}", type);
  if (type >= 32 || (host().vm_types >> type & 1) == 0) return -EINVAL;
  auto vm_type = static_cast<vmm::kvm::VmType>(type);
  std::unique_ptr<TeeVm> vm;
  if (vm_type == vmm::kvm::VmType::snp)
    vm = make_snp_vm(shared_);
  else if (vm_type == vmm::kvm::VmType::tdx)
    vm = make_tdx_vm(shared_);
  else
    vm = make_sev_vm(vm_type, shared_);
  int fd = vm->fd();
  targets_[fd] = {Kind::vm, file_identity(fd).value_or(0), vms_.size(), 0};
  vms_.push_back(std::move(vm));
  return fd;
}

int TeeKernel::device_attribute(const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  vmm::kvm::DeviceAttribute wish;
  if (!shared_.user.read(argument, wish)) return -EFAULT;
  shared_.detail = fmt::format("group={} attr={}", wish.group, wish.attr);
  if (wish.flags != 0) return -EINVAL;
  if (wish.group != vmm::kvm::kDeviceGroupSev) return -ENXIO;
  uint64_t value = 0;
  if (wish.attr == vmm::kvm::kDeviceSevVmsaFeatures)
    value = host().vmsa_features;
  else if (wish.attr == vmm::kvm::kDeviceSnpPolicyBits)
    value = host().snp_policy_bits;
  else if (wish.attr == vmm::kvm::kDeviceSnpReqCertsSupport)
    value = host().snp_certs;
  else
    return -ENXIO;
  if (request.number == vmm::kvm::request::has_device_attr.number) return 0;
  return shared_.user.write(wish.addr, value) ? 0 : -EFAULT;
}

// As an ordinary host's, and with SEV the leaf by which KVM shows the C-bit (cpuid.c:
// __do_cpuid_func): features and position as the processor has them.
int TeeKernel::supported_cpuid(const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  auto* head = reinterpret_cast<vmm::kvm::CpuidHead*>(argument);
  const uint32_t space = head->count;
  if (plain_.ioctl(plain_fd_, request, argument) < 0) return -errno;
  constexpr uint32_t kSevTypes = 1 << 2 | 1 << 3 | 1 << 4;
  if ((host().vm_types & kSevTypes) == 0) return 0;
  if (head->count == space) return -E2BIG;
  kvm_cpuid_entry2 leaf{};
  leaf.function = 0x8000001f;
  const std::pair<uint32_t, uint32_t> kFeatures[] = {{2, 1}, {3, 3}, {4, 4}};  // VM type, EAX bit
  for (auto [type, bit] : kFeatures) leaf.eax |= (host().vm_types >> type & 1) << bit;
  leaf.ebx = host().c_bit;
  std::memcpy(reinterpret_cast<uint8_t*>(head + 1) + head->count * sizeof leaf, &leaf, sizeof leaf);
  ++head->count;
  return 0;
}

int TeeKernel::system_call(const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  switch (request.number) {
    case KVM_CREATE_VM:
      return create_vm(argument);
    case vmm::kvm::request::has_device_attr.number:
    case vmm::kvm::request::get_device_attr.number:
      return device_attribute(request, argument);
    case vmm::kvm::request::get_supported_cpuid.number:
      return supported_cpuid(request, argument);
    case KVM_CHECK_EXTENSION: {
      shared_.detail = fmt::format("cap={}", argument);
      auto asked = static_cast<int>(argument);
      auto own = host().capabilities.find(asked);
      if (own != host().capabilities.end()) return own->second;
      if (asked == vmm::kvm::kCapVmTypes) return static_cast<int>(host().vm_types);
      if (asked == vmm::kvm::kCapMaxVcpus) return host().max_vcpus;
      if (asked == vmm::kvm::kCapMemoryAttributes) return vmm::kvm::kAttributePrivate;
      if (asked == vmm::kvm::kCapExitHypercall) return 1 << vmm::kvm::kHypercallMapGpaRange;
      return 1;
    }
    default: {
      int result = plain_.ioctl(plain_fd_, request, argument);
      return result < 0 ? -errno : result;
    }
  }
}

bool TeeKernel::asid_free() const {
  auto used = std::count_if(vms_.begin(), vms_.end(),
                            [](const auto& vm) { return vm->holds_asid() && vm->alive(); });
  return static_cast<size_t>(used) < shared_.host.asids;
}

std::string TeeKernel::transcript() const {
  std::string text;
  for (const auto& line : transcript_) text += line + "\n";
  return text;
}

}  // namespace bartizan::fakes
