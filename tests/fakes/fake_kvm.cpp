#include "fakes/fake_kvm.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "vmm/kvm/kvm_abi.hpp"

namespace bartizan::fakes {
namespace {

constexpr size_t kRunSize = 3 * 4096;  // kvm_run, data page of port I/O, one more, as on x86

int fail(int error) {
  errno = error;
  return -1;
}

kvm_cpuid_entry2 entry(uint32_t leaf, uint32_t index, uint32_t flags,
                       std::array<uint32_t, 4> values) {
  kvm_cpuid_entry2 made{};
  made.function = leaf;
  made.index = index;
  made.flags = flags;
  made.eax = values[0];
  made.ebx = values[1];
  made.ecx = values[2];
  made.edx = values[3];
  return made;
}

// A processor without AVX-512 whose leaf 0xD still lists it: VMMs must make that agree.
std::vector<kvm_cpuid_entry2> supported() {
  constexpr uint32_t kIndexed = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  return {entry(0, 0, 0, {0xd, 0, 0, 0}),
          entry(1, 0, 0, {0x830f10, 0, 1u << 28 | 1u << 27, 0}),
          entry(7, 0, kIndexed, {0, 0, 0, 0}),
          entry(0xd, 0, kIndexed, {0xe7, 2696, 2696, 0}),
          entry(0xd, 1, kIndexed, {1, 0, 0, 0}),
          entry(0xd, 2, kIndexed, {256, 576, 0, 0}),
          entry(0xd, 5, kIndexed, {64, 1088, 0, 0}),
          entry(0xd, 6, kIndexed, {512, 1152, 0, 0}),
          entry(0xd, 7, kIndexed, {1024, 1664, 0, 0}),
          entry(0x40000000, 0, 0, {0x40000001, 0, 0, 0}),
          entry(0x40000001, 0, 0, {0x0100007b, 0, 0, 0}),
          entry(0x80000000, 0, 0, {0x80000008, 0, 0, 0}),
          entry(0x80000008, 0, 0, {0x3030, 0, 0, 0})};
}

int get_supported_cpuid(void* argument) {
  auto* head = static_cast<vmm::kvm::CpuidHead*>(argument);
  auto entries = supported();
  if (head->count < entries.size()) return fail(E2BIG);
  head->count = static_cast<uint32_t>(entries.size());
  std::memcpy(static_cast<void*>(head + 1), entries.data(), entries.size() * sizeof entries[0]);
  return 0;
}

}  // namespace

FakeKvm::~FakeKvm() {
  for (auto& [id, vcpu] : vcpus) ::munmap(vcpu.run, kRunSize);
}

bool FakeKvm::must_fail(const std::string& name) {
  if (at_call) at_call(calls);
  if (calls++ != fail_call) return false;
  failed_call = name;
  return true;
}

int FakeKvm::new_descriptor(Owner owner, size_t size) {
  int fd = ::memfd_create("fake-kvm", MFD_CLOEXEC);
  if (fd >= 0 && ::ftruncate(fd, static_cast<off_t>(size)) == 0) owners_[fd] = owner;
  return fd;
}

int FakeKvm::open(const char*, int) {
  std::lock_guard lock(mutex_);
  if (must_fail("open")) return fail(fail_errno);
  if (open_errno != 0) return fail(open_errno);
  return new_descriptor({Kind::system, 0}, 0);
}

void* FakeKvm::mmap(size_t size, int protection, int flags, int fd) {
  std::lock_guard lock(mutex_);
  if (must_fail("mmap")) {
    errno = fail_errno;
    return MAP_FAILED;
  }
  return ::mmap(nullptr, size, protection, flags, fd, 0);
}

int FakeKvm::munmap(void* address, size_t size) {
  return ::munmap(address, size);
}

int FakeKvm::ioctl(int fd, const vmm::kvm::IoctlRequest& request, unsigned long argument) {
  std::unique_lock lock(mutex_);
  if (must_fail(request.name)) return fail(fail_errno);
  auto owner = owners_.find(fd);
  if (owner == owners_.end()) return fail(EBADF);
  if (owner->second.kind == Kind::system) return system_call(request.number, argument);
  if (owner->second.kind == Kind::vm) return vm_call(request.number, argument);
  FakeVcpu& vcpu = vcpus.at(owner->second.vcpu);
  if (request.number != KVM_RUN) return vcpu_call(vcpu, request.number, argument);
  lock.unlock();  // vCPUs run side by side
  return run(vcpu);
}

int FakeKvm::system_call(unsigned long number, unsigned long argument) {
  switch (number) {
    case KVM_GET_API_VERSION:
      return api_version;
    case KVM_CHECK_EXTENSION:
      return capabilities[static_cast<int>(argument)];
    case KVM_GET_VCPU_MMAP_SIZE:
      return kRunSize;
    case KVM_CREATE_VM:
      return argument == 0 ? new_descriptor({Kind::vm, 0}, 0) : fail(EINVAL);
    case vmm::kvm::request::get_supported_cpuid.number:
      return get_supported_cpuid(reinterpret_cast<void*>(argument));
    default:
      return fail(ENOTTY);
  }
}

int FakeKvm::set_slot(const kvm_userspace_memory_region& slot) {
  if (slot.guest_phys_addr % 4096 != 0 || slot.memory_size % 4096 != 0 ||
      slot.userspace_addr % 4096 != 0) {
    return fail(EINVAL);
  }
  for (const auto& [number, other] : slots) {
    bool apart = slot.guest_phys_addr >= other.guest_phys_addr + other.memory_size ||
                 other.guest_phys_addr >= slot.guest_phys_addr + slot.memory_size;
    if (number != slot.slot && !apart) return fail(EEXIST);
  }
  slots[slot.slot] = slot;
  return 0;
}

int FakeKvm::create_vcpu(uint32_t id) {
  if (vcpus.contains(id)) return fail(EEXIST);
  int fd = new_descriptor({Kind::vcpu, id}, kRunSize);
  void* run = ::mmap(nullptr, kRunSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  FakeVcpu& vcpu = vcpus[id];
  vcpu.id = id;
  scripts[id];  // the map does not change once vCPUs run
  vcpu.run = static_cast<kvm_run*>(run);
  return fd;
}

int FakeKvm::vm_call(unsigned long number, unsigned long argument) {
  void* pointer = reinterpret_cast<void*>(argument);
  switch (number) {
    case KVM_CHECK_EXTENSION:
      return capabilities[static_cast<int>(argument)];
    case KVM_CREATE_VCPU:
      return irqchip ? create_vcpu(static_cast<uint32_t>(argument)) : fail(EINVAL);
    case KVM_SET_USER_MEMORY_REGION:
      return set_slot(*static_cast<kvm_userspace_memory_region*>(pointer));
    case KVM_SET_TSS_ADDR:
    case KVM_SET_IDENTITY_MAP_ADDR:
      return 0;
    case KVM_CREATE_IRQCHIP:
      if (irqchip || !vcpus.empty()) return fail(EEXIST);
      irqchip = true;
      return 0;
    case KVM_IRQFD: {
      auto* wish = static_cast<kvm_irqfd*>(pointer);
      return irqfds.emplace(wish->gsi, static_cast<int>(wish->fd)).second ? 0 : fail(EBUSY);
    }
    case vmm::kvm::request::set_gsi_routing.number: {
      auto* head = static_cast<vmm::kvm::GsiRoutingHead*>(pointer);
      auto* first = reinterpret_cast<kvm_irq_routing_entry*>(head + 1);
      routes.assign(first, first + head->count);
      return 0;
    }
    case KVM_IOEVENTFD: {
      ioeventfds.push_back(*static_cast<kvm_ioeventfd*>(pointer));
      return 0;
    }
    case KVM_ENABLE_CAP: {
      auto* cap = static_cast<kvm_enable_cap*>(pointer);
      enabled_caps[cap->cap] = cap->args[0];
      return 0;
    }
    case KVM_X86_SET_MSR_FILTER: {
      auto* filter = static_cast<kvm_msr_filter*>(pointer);
      for (const auto& range : filter->ranges) {
        if (range.nmsrs != 0 && (range.bitmap[0] & 1) == 0) denied_msrs.push_back(range.base);
      }
      return 0;
    }
    default:
      return fail(ENOTTY);
  }
}

int FakeKvm::vcpu_call(FakeVcpu& vcpu, unsigned long number, unsigned long argument) {
  void* pointer = reinterpret_cast<void*>(argument);
  switch (number) {
    case vmm::kvm::request::set_cpuid2.number: {
      auto* head = static_cast<vmm::kvm::CpuidHead*>(pointer);
      auto* first = reinterpret_cast<kvm_cpuid_entry2*>(head + 1);
      vcpu.cpuid.assign(first, first + head->count);
      return 0;
    }
    case vmm::kvm::request::set_msrs.number: {
      auto* entry = reinterpret_cast<kvm_msr_entry*>(static_cast<vmm::kvm::MsrsHead*>(pointer) + 1);
      vcpu.msrs[entry->index] = entry->data;
      return 1;
    }
    case vmm::kvm::request::get_msrs.number: {
      auto* entry = reinterpret_cast<kvm_msr_entry*>(static_cast<vmm::kvm::MsrsHead*>(pointer) + 1);
      entry->data = vcpu.msrs[entry->index];
      return 1;
    }
    case KVM_GET_REGS:
      *static_cast<kvm_regs*>(pointer) = vcpu.regs;
      return 0;
    case KVM_SET_REGS:
      vcpu.regs = *static_cast<kvm_regs*>(pointer);
      return 0;
    case KVM_GET_SREGS:
      *static_cast<kvm_sregs*>(pointer) = vcpu.sregs;
      return 0;
    case KVM_SET_SREGS:
      vcpu.sregs = *static_cast<kvm_sregs*>(pointer);
      vcpu.sregs_set = true;
      return 0;
    case KVM_SET_FPU:
      return 0;
    case KVM_KVMCLOCK_CTRL:
      ++vcpu.pauses;
      return 0;
    default:
      return fail(ENOTTY);
  }
}

int FakeKvm::run(FakeVcpu& vcpu) {
  std::atomic_ref<uint8_t> immediate_exit(vcpu.run->immediate_exit);
  const std::vector<Exit>& script = scripts.at(vcpu.id);
  while (immediate_exit.load() == 0) {
    if (vcpu.next_exit < script.size()) {
      int result = script[vcpu.next_exit++](*vcpu.run);
      return result < 0 ? fail(-result) : result;
    }
    ::usleep(200);  // "in the guest"
  }
  return fail(EINTR);
}

}  // namespace bartizan::fakes
