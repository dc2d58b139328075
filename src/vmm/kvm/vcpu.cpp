#include "vmm/kvm/vcpu.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/errors.hpp"

namespace bartizan::vmm::kvm {
namespace {

constexpr const char* kOrigin = "kvm";

struct OneMsr {
  MsrsHead head;
  kvm_msr_entry entry;
};
static_assert(sizeof(OneMsr) == 24 && offsetof(OneMsr, entry) == 8);

}  // namespace

Vcpu::Vcpu(std::shared_ptr<KernelApi> kernel, UniqueFd fd, uint32_t id, kvm_run* run,
           size_t run_size)
    : kernel_(std::move(kernel)), fd_(std::move(fd)), id_(id), run_(run), run_size_(run_size) {}

Vcpu::Vcpu(Vcpu&& other) noexcept
    : kernel_(std::move(other.kernel_)),
      fd_(std::move(other.fd_)),
      id_(other.id_),
      run_(std::exchange(other.run_, nullptr)),
      run_size_(other.run_size_) {}

Vcpu::~Vcpu() {
  if (run_ != nullptr) kernel_->munmap(run_, run_size_);
}

Result<Vcpu> Vcpu::create(std::shared_ptr<KernelApi> kernel, UniqueFd fd, uint32_t id,
                          size_t run_size) {
  void* run = kernel->mmap(run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get());
  if (run == MAP_FAILED)
    return errno_error(errno, kOrigin, fmt::format("vcpu {}: mmap of kvm_run", id));
  return Vcpu(std::move(kernel), std::move(fd), id, static_cast<kvm_run*>(run), run_size);
}

Result<int> Vcpu::call(const IoctlRequest& request, const void* argument) const {
  int got = kernel_->ioctl(fd_.get(), request, reinterpret_cast<unsigned long>(argument));
  if (got < 0) return errno_error(errno, kOrigin, fmt::format("vcpu {}: {}", id_, request.name));
  return got;
}

// Conversion cures what EFAULT means, not this: the guest would meet the same page for ever.
Error Vcpu::broken_memory() const {
  const auto& fault = *reinterpret_cast<const ExitMemoryFault*>(
      reinterpret_cast<const uint8_t*>(run_) + kExitDataOffset);
  bool known = run_->exit_reason == kExitMemoryFault;
  return errno_error(EHWPOISON, kOrigin,
                     fmt::format("vcpu {}: memory of the host is broken{}", id_,
                                 known ? fmt::format(", guest address {:#x}", fault.gpa) : ""));
}

// The exit reason is KVM's to write at each exit; cleared first, it cannot be a stale one after a
// failure that writes none.
Result<bool> Vcpu::run() {
  run_->exit_reason = KVM_EXIT_UNKNOWN;
  if (kernel_->ioctl(fd_.get(), request::run, 0) >= 0) return true;
  if (errno == EFAULT && run_->exit_reason == kExitMemoryFault) return true;
  if (errno == EHWPOISON) return broken_memory();
  // EINTR: a signal or immediate_exit. EAGAIN: the vCPU waits for its start signal and was woken.
  if (errno == EINTR || errno == EAGAIN) return false;
  return errno_error(errno, kOrigin, fmt::format("vcpu {}: KVM_RUN", id_));
}

void Vcpu::set_immediate_exit(bool value) {
  std::atomic_ref<uint8_t>(run_->immediate_exit).store(value ? 1 : 0, std::memory_order_seq_cst);
}

Result<void> Vcpu::set_cpuid(const CpuidTable& table) {
  const auto& entries = table.entries();
  std::vector<uint8_t> buffer(sizeof(CpuidHead) + entries.size() * sizeof(kvm_cpuid_entry2));
  CpuidHead head{static_cast<uint32_t>(entries.size()), 0};
  std::memcpy(buffer.data(), &head, sizeof head);
  std::memcpy(buffer.data() + sizeof head, entries.data(),
              entries.size() * sizeof(kvm_cpuid_entry2));
  TRY(call(request::set_cpuid2, buffer.data()));
  return {};
}

Result<kvm_regs> Vcpu::regs() const {
  kvm_regs regs{};
  TRY(call(request::get_regs, &regs));
  return regs;
}

Result<void> Vcpu::set_regs(const kvm_regs& regs) {
  TRY(call(request::set_regs, &regs));
  return {};
}

Result<kvm_sregs> Vcpu::sregs() const {
  kvm_sregs sregs{};
  TRY(call(request::get_sregs, &sregs));
  return sregs;
}

Result<void> Vcpu::set_sregs(const kvm_sregs& sregs) {
  TRY(call(request::set_sregs, &sregs));
  return {};
}

Result<void> Vcpu::set_fpu(const kvm_fpu& fpu) {
  TRY(call(request::set_fpu, &fpu));
  return {};
}

Result<kvm_lapic_state> Vcpu::lapic() const {
  kvm_lapic_state lapic{};
  TRY(call(request::get_lapic, &lapic));
  return lapic;
}

Result<void> Vcpu::set_lapic(const kvm_lapic_state& lapic) {
  TRY(call(request::set_lapic, &lapic));
  return {};
}

Result<void> Vcpu::mark_paused() const {
  TRY(call(request::kvmclock_ctrl, nullptr));
  return {};
}

// KVM_GET_MSRS and KVM_SET_MSRS return how many they did, and 0 for an MSR that KVM refuses.
Result<uint64_t> Vcpu::msr(uint32_t index) const {
  OneMsr request{{1, 0}, {index, 0, 0}};
  if (TRY(call(request::get_msrs, &request)) != 1) {
    return make_error(ErrorCode::unsupported, kOrigin, "vcpu {}: KVM_GET_MSRS: {:#x} refused", id_,
                      index);
  }
  return request.entry.data;
}

Result<void> Vcpu::set_msr(uint32_t index, uint64_t value) {
  OneMsr request{{1, 0}, {index, 0, value}};
  if (TRY(call(request::set_msrs, &request)) != 1) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "vcpu {}: KVM_SET_MSRS: {:#x} = {:#x} refused", id_, index, value);
  }
  return {};
}

FirmwareResult Vcpu::tdx(TdxCommandId id, uint32_t flags, uint64_t data) const {
  TdxCommand command;
  command.id = static_cast<uint32_t>(id);
  command.flags = flags;
  command.data = data;
  auto argument = reinterpret_cast<unsigned long>(&command);
  int got = kernel_->ioctl(fd_.get(), request::tdx(id), argument);
  return {got < 0 ? errno : 0, command.hw_error};
}

}  // namespace bartizan::vmm::kvm
