#include "fakes/tee_kernel_vm.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bartizan::fakes {
namespace {

constexpr uint64_t kCr0Paging = 1ull << 31;
constexpr uint64_t kCr4Pae = 1 << 5;
constexpr uint64_t kEferLme = 1 << 8, kEferLma = 1 << 10;
constexpr uint32_t kMaxCpuidEntries = 256;  // KVM_MAX_CPUID_ENTRIES
constexpr uint32_t kMaxMsrs = 4096;

}  // namespace

bool TeeShared::is_sev_device(uint32_t fd) const {
  auto identity = file_identity(static_cast<int>(fd));
  return identity && sev_devices.contains(*identity);
}

TeeVm::TeeVm(vmm::kvm::VmType type, TeeShared& shared)
    : type_(type),
      shared_(shared),
      host_(shared.host),
      user_(shared.user),
      memory_(type == vmm::kvm::VmType::software_protected || type == vmm::kvm::VmType::snp ||
              type == vmm::kvm::VmType::tdx) {
  int system = plain_.open("/dev/kvm", O_RDWR);
  fd_ = plain_.ioctl(system, vmm::kvm::request::create_vm, 0);
  identity_ = file_identity(fd_).value_or(0);
  ::close(system);
}

TeeVm::~TeeVm() = default;

bool TeeVm::alive() const {
  if (file_identity(fd_) == identity_) return true;
  return std::any_of(vcpu_files_.begin(), vcpu_files_.end(), [](const auto& file) {
    return file_identity(file.second.first) == file.second.second;
  });
}

bool TeeVm::a_vcpu_runs() const {
  return std::any_of(vcpus_.begin(), vcpus_.end(), [](const auto& v) { return v.second.running; });
}

std::vector<TeeVcpu*> TeeVm::in_creation_order() {
  std::vector<TeeVcpu*> order;
  for (uint32_t id : creation_) order.push_back(&vcpus_.at(id));
  return order;
}

const Page* TeeVm::private_page(uint64_t gpa) const {
  auto found = contents_.find(gpa / kPage);
  return found == contents_.end() ? nullptr : &found->second;
}

int TeeVm::forward(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  int result = plain_.ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

int TeeVm::check_extension(int capability) const {
  if (auto found = host_.capabilities.find(capability); found != host_.capabilities.end()) {
    return found->second;
  }
  bool has_private = type_ == vmm::kvm::VmType::snp || type_ == vmm::kvm::VmType::tdx;
  switch (capability) {
    case vmm::kvm::kCapVmTypes:
      return static_cast<int>(host_.vm_types);
    case vmm::kvm::kCapMaxVcpus:
      return host_.max_vcpus;
    case vmm::kvm::kCapMemoryAttributes:
      return has_private ? vmm::kvm::kAttributePrivate : 0;
    case vmm::kvm::kCapGuestMemfd:
      return has_private;
    case vmm::kvm::kCapGuestMemfdFlags:
      return vmm::kvm::kGuestMemfdMmap;
    case vmm::kvm::kCapExitHypercall:
      return 1 << vmm::kvm::kHypercallMapGpaRange;
    case vmm::kvm::kCapX2apicApi:
      return 3;
    default:
      return 1;
  }
}

int TeeVm::enable_cap(uint64_t argument) {
  kvm_enable_cap cap{};
  if (!user_.read(argument, cap)) return -EFAULT;
  shared_.detail = fmt::format("cap={} flags={} args=[{:#x}]", cap.cap, cap.flags, cap.args[0]);
  if (cap.flags != 0) return -EINVAL;
  if (cap.cap == static_cast<uint32_t>(vmm::kvm::kCapExitHypercall)) {
    if ((cap.args[0] & ~(1ull << vmm::kvm::kHypercallMapGpaRange)) != 0) return -EINVAL;
    exit_hypercall_ = cap.args[0];
  }
  if (cap.cap == static_cast<uint32_t>(vmm::kvm::kCapSplitIrqchip)) {
    if (plain_.irqchip || !vcpus_.empty()) return -EEXIST;
    split_irqchip_ = plain_.irqchip = true;
  }
  plain_.enabled_caps[cap.cap] = cap.args[0];
  return 0;
}

int TeeVm::set_region(uint64_t argument, bool second_version) {
  vmm::kvm::MemoryRegion2 region;
  size_t size = second_version ? sizeof region : sizeof(kvm_userspace_memory_region);
  if (!user_.read(argument, &region, size)) return -EFAULT;
  shared_.detail = fmt::format("slot={} flags={:#x} gpa={:#x} size={:#x}", region.slot,
                               region.flags, region.guest_phys_addr, region.memory_size);
  auto file = memory_.file_of(static_cast<int>(region.guest_memfd));
  if ((region.flags & vmm::kvm::kSlotGuestMemfd) != 0) {
    shared_.detail +=
        fmt::format(" gmem={} offset={:#x}", file ? fmt::to_string(file->number) : "?",
                    region.guest_memfd_offset);
  }
  int result = memory_.set_region(region, second_version);
  if (result == 0) {
    std::memcpy(&plain_.slots[region.slot], &region, sizeof(kvm_userspace_memory_region));
    if (region.memory_size == 0) plain_.slots.erase(region.slot);
  }
  return result;
}

int TeeVm::set_attributes(uint64_t argument) {
  vmm::kvm::MemoryAttributes wish;
  if (!user_.read(argument, wish)) return -EFAULT;
  shared_.detail = fmt::format("address={:#x} size={:#x} attributes={:#x}", wish.address, wish.size,
                               wish.attributes);
  int result = memory_.set_attributes(wish);
  if (result != 0 || wish.attributes != 0) return result;
  // Taken from the guest: no longer validated, and what was in it is gone.
  uint64_t first = wish.address / kPage, end = first + wish.size / kPage;
  validated_.erase(first, end - first);
  contents_.erase(contents_.lower_bound(first), contents_.lower_bound(end));
  return 0;
}

int TeeVm::create_guest_memfd(uint64_t argument) {
  vmm::kvm::CreateGuestMemfd wish;
  if (!user_.read(argument, wish)) return -EFAULT;
  shared_.detail = fmt::format("size={:#x} flags={:#x}", wish.size, wish.flags);
  return memory_.create_guest_memfd(wish);
}

int TeeVm::create_irqchip() {
  if (type_ == vmm::kvm::VmType::tdx) return -ENOTTY;  // has_protected_eoi
  if (!vcpus_.empty()) return -EINVAL;
  if (plain_.irqchip) return -EEXIST;
  plain_.irqchip = true;
  return 0;
}

int TeeVm::create_vcpu(const vmm::kvm::IoctlRequest& request, unsigned long id) {
  shared_.detail = fmt::format("id={}", id);
  if (id >= static_cast<unsigned long>(check_extension(vmm::kvm::kCapMaxVcpus))) return -EINVAL;
  if (int refused = may_create_vcpu(); refused != 0) return refused;
  plain_.irqchip = true;  // FakeKvm wants one; KVM creates vCPUs without, too
  int fd = forward(fd_, request, id);
  if (fd < 0) return fd;
  TeeVcpu& vcpu = vcpus_[static_cast<uint32_t>(id)];
  vcpu.id = static_cast<uint32_t>(id);
  vcpu.run = plain_.vcpus.at(vcpu.id).run;
  vcpu_files_[vcpu.id] = {fd, file_identity(fd).value_or(0)};
  creation_.push_back(vcpu.id);
  created(vcpu);
  return fd;
}

int TeeVm::vm_call(const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  switch (request.number) {
    case KVM_CHECK_EXTENSION:
      shared_.detail = fmt::format("cap={}", argument);
      return check_extension(static_cast<int>(argument));
    case KVM_ENABLE_CAP:
      return enable_cap(argument);
    case KVM_SET_USER_MEMORY_REGION:
      return set_region(argument, false);
    case vmm::kvm::request::set_user_memory_region2.number:
      return set_region(argument, true);
    case vmm::kvm::request::set_memory_attributes.number:
      return set_attributes(argument);
    case vmm::kvm::request::create_guest_memfd.number:
      return create_guest_memfd(argument);
    case KVM_CREATE_IRQCHIP:
      return create_irqchip();
    case KVM_CREATE_VCPU:
      return create_vcpu(request, argument);
    case vmm::kvm::request::kMemoryEncryptOp:
      return encrypt_op(argument);
    case vmm::kvm::request::register_encrypted_region.number:
    case vmm::kvm::request::unregister_encrypted_region.number: {
      vmm::kvm::EncryptedRegion region;
      if (!user_.read(argument, region)) return -EFAULT;
      shared_.detail = fmt::format("size={:#x}", region.size);
      bool add = request.number == vmm::kvm::request::register_encrypted_region.number;
      return encrypted_region(region, add);
    }
    case KVM_SET_TSC_KHZ:
      shared_.detail = fmt::format("khz={}", argument);
      return vcpus_.empty() ? 0 : -EINVAL;
    default:
      return forward(fd_, request, argument);
  }
}

bool TeeVm::valid_sregs(const TeeVcpu& vcpu, const kvm_sregs& sregs) const {
  bool long_mode = (sregs.efer & kEferLme) != 0 && (sregs.cr0 & kCr0Paging) != 0;
  if (!long_mode) return (sregs.efer & kEferLma) == 0 && sregs.cs.l == 0;
  if ((sregs.cr4 & kCr4Pae) == 0 || (sregs.efer & kEferLma) == 0) return false;
  uint32_t address_bits = 36;
  uint64_t c_bit = 0;
  for (const auto& entry : vcpu.cpuid) {
    if (entry.function == 0x80000008) address_bits = entry.eax & 0xff;
    if (entry.function == 0x8000001f) c_bit = 1ull << (entry.ebx & 0x3f);
  }
  return (sregs.cr3 & ~c_bit) >> address_bits == 0;
}

int TeeVm::set_sregs(TeeVcpu& vcpu, uint64_t argument) {
  kvm_sregs sregs{};
  if (!user_.read(argument, sregs)) return -EFAULT;
  shared_.detail =
      fmt::format("cs={:#x}/{:#x} cr0={:#x} cr3={:#x} cr4={:#x} efer={:#x}", sregs.cs.selector,
                  sregs.cs.base, sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer);
  if (!valid_sregs(vcpu, sregs)) return -EINVAL;
  vcpu.registers.sregs = sregs;
  vcpu.sregs_set = true;
  plain_.vcpus.at(vcpu.id).sregs = sregs;
  plain_.vcpus.at(vcpu.id).sregs_set = true;
  return 0;
}

int TeeVm::set_registers(TeeVcpu& vcpu, unsigned long number, uint64_t argument) {
  VcpuRegisters& to = vcpu.registers;
  if (number == KVM_SET_SREGS) return set_sregs(vcpu, argument);
  if (number == KVM_SET_REGS) {
    if (!user_.read(argument, to.regs)) return -EFAULT;
    plain_.vcpus.at(vcpu.id).regs = to.regs;
    shared_.detail = fmt::format("rip={:#x} rsp={:#x} rsi={:#x} rflags={:#x}", to.regs.rip,
                                 to.regs.rsp, to.regs.rsi, to.regs.rflags);
  } else if (number == KVM_SET_FPU) {
    if (!user_.read(argument, to.fpu)) return -EFAULT;
    shared_.detail = fmt::format("fcw={:#x} mxcsr={:#x}", to.fpu.fcw, to.fpu.mxcsr);
  } else if (number == KVM_SET_DEBUGREGS) {
    kvm_debugregs debug{};
    if (!user_.read(argument, debug)) return -EFAULT;
    to.dr7 = debug.dr7;
  } else if (number == KVM_SET_XCRS) {
    kvm_xcrs xcrs{};
    if (!user_.read(argument, xcrs)) return -EFAULT;
    if (xcrs.nr_xcrs != 1 || xcrs.xcrs[0].xcr != 0) return -EINVAL;
    to.xcr0 = xcrs.xcrs[0].value;
  }
  return 0;
}

int TeeVm::get_registers(TeeVcpu& vcpu, unsigned long number, uint64_t argument) {
  bool ok = true;
  if (number == KVM_GET_REGS) ok = user_.write(argument, vcpu.registers.regs);
  if (number == KVM_GET_SREGS) ok = user_.write(argument, vcpu.registers.sregs);
  if (number == KVM_GET_FPU) ok = user_.write(argument, vcpu.registers.fpu);
  return ok ? 0 : -EFAULT;
}

int TeeVm::set_cpuid(TeeVcpu& vcpu, const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  vmm::kvm::CpuidHead head;
  if (!user_.read(argument, head)) return -EFAULT;
  if (head.count > kMaxCpuidEntries) return -E2BIG;
  std::vector<kvm_cpuid_entry2> entries(head.count);
  size_t bytes = entries.size() * sizeof entries[0];
  if (!user_.read(argument + sizeof head, entries.data(), bytes)) return -EFAULT;
  shared_.detail =
      fmt::format("entries={} sha256={}", head.count,
                  short_hash({reinterpret_cast<const uint8_t*>(entries.data()), bytes}));
  vcpu.cpuid = std::move(entries);
  return forward(vcpu_files_.at(vcpu.id).first, request, argument);
}

int TeeVm::set_msrs(TeeVcpu& vcpu, uint64_t argument) {
  vmm::kvm::MsrsHead head;
  if (!user_.read(argument, head)) return -EFAULT;
  if (head.count >= kMaxMsrs) return -E2BIG;
  for (uint32_t i = 0; i < head.count; ++i) {
    kvm_msr_entry entry{};
    if (!user_.read(argument + sizeof head + i * sizeof entry, entry)) return -EFAULT;
    shared_.detail += fmt::format("{}{:#x}={:#x}", i == 0 ? "" : " ", entry.index, entry.data);
    if (!allows_msr(entry.index)) return static_cast<int>(i);
    vcpu.registers.msrs[entry.index] = entry.data;
    plain_.vcpus.at(vcpu.id).msrs[entry.index] = entry.data;
  }
  return static_cast<int>(head.count);
}

int TeeVm::get_msrs(TeeVcpu& vcpu, uint64_t argument) {
  vmm::kvm::MsrsHead head;
  if (!user_.read(argument, head)) return -EFAULT;
  if (head.count >= kMaxMsrs) return -E2BIG;
  for (uint32_t i = 0; i < head.count; ++i) {
    kvm_msr_entry entry{};
    uint64_t at = argument + sizeof head + i * sizeof entry;
    if (!user_.read(at, entry)) return -EFAULT;
    auto found = vcpu.registers.msrs.find(entry.index);
    entry.data = found == vcpu.registers.msrs.end() ? 0 : found->second;
    if (!user_.write(at, entry)) return -EFAULT;
  }
  return static_cast<int>(head.count);
}

int TeeVm::pre_fault(uint64_t argument) {
  vmm::kvm::PreFaultMemory wish;
  if (!user_.read(argument, wish)) return -EFAULT;
  shared_.detail = fmt::format("gpa={:#x} size={:#x}", wish.gpa, wish.size);
  if (wish.flags != 0 || wish.gpa % kPage != 0 || wish.size % kPage != 0 || wish.size == 0) {
    return -EINVAL;
  }
  if (type_ != vmm::kvm::VmType::normal && !record_.finished) return -EOPNOTSUPP;
  if (wish.gpa >> 51 != 0) return -EINVAL;  // no guest address, or one with the shared bit
  uint64_t done = 0;
  for (; wish.size != 0 && memory_.find(wish.gpa) != nullptr; ++done) {
    if (memory_.is_private(wish.gpa / kPage)) memory_.allocate_private(wish.gpa);
    wish.gpa += kPage;
    wish.size -= kPage;
  }
  if (!user_.write(argument, wish)) return -EFAULT;
  return done != 0 ? 0 : -ENOENT;
}

int TeeVm::vcpu_call(uint32_t id, const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  TeeVcpu& vcpu = vcpus_.at(id);
  switch (request.number) {
    case KVM_SET_REGS:
    case KVM_SET_SREGS:
    case KVM_SET_FPU:
    case KVM_SET_DEBUGREGS:
    case KVM_SET_XCRS:
      if (vcpu.state_protected) return -EINVAL;
      return set_registers(vcpu, request.number, argument);
    case KVM_GET_REGS:
    case KVM_GET_SREGS:
    case KVM_GET_FPU:
      if (vcpu.state_protected) return -EINVAL;
      return get_registers(vcpu, request.number, argument);
    case KVM_GET_XSAVE:
    case KVM_GET_DEBUGREGS:
    case KVM_GET_VCPU_EVENTS:
    case KVM_SET_XSAVE:
    case KVM_SET_VCPU_EVENTS:
      return vcpu.state_protected ? -EINVAL : 0;
    case KVM_GET_LAPIC:
    case KVM_SET_LAPIC:
      if (type_ == vmm::kvm::VmType::tdx) return -EINVAL;  // guest_apic_protected
      return forward(vcpu_files_.at(id).first, request, argument);
    case vmm::kvm::request::set_cpuid2.number:
      return set_cpuid(vcpu, request, argument);
    case vmm::kvm::request::set_msrs.number:
      return set_msrs(vcpu, argument);
    case vmm::kvm::request::get_msrs.number:
      return get_msrs(vcpu, argument);
    case KVM_SET_MP_STATE:
      return 0;
    case KVM_SET_GUEST_DEBUG:
      vcpu.guest_debug = true;
      return vcpu.state_protected ? -EINVAL : 0;
    case KVM_SET_TSC_KHZ:
      return type_ == vmm::kvm::VmType::tdx ? -EINVAL : 0;
    case vmm::kvm::request::pre_fault_memory.number:
      return pre_fault(argument);
    case vmm::kvm::request::kMemoryEncryptOp:
      return vcpu_encrypt_op(vcpu, argument);
    default:
      return forward(vcpu_files_.at(id).first, request, argument);
  }
}

}  // namespace bartizan::fakes
