// guest_memfd, memory attributes and memory-fault exits: the kernel structures and ioctl numbers
// that linux-libc-dev 6.1 lacks. Layouts: Linux Documentation/virt/kvm/api.rst; held against the
// newest packaged kernel headers by tests/fake_kvm/tee_abi_mirror.py.
//
// Offsets are asserted next to each structure: a wrong one would be refused, or misread, by real
// kernels only.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>

#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::kvm {

// KVM_CREATE_VM's argument; KVM_CAP_VM_TYPES answers a mask of 1 << type.
enum class VmType : uint32_t {
  normal = 0,
  software_protected = 1,
  sev = 2,
  sev_es = 3,
  snp = 4,
  tdx = 5
};

constexpr int kCapMaxVcpus = 66;
constexpr int kCapSplitIrqchip = 121;
constexpr int kCapX2apicApi = 129;
constexpr int kCapExitHypercall = 201;
constexpr int kCapSysAttributes = 209;
constexpr int kCapUserMemory2 = 231;
constexpr int kCapMemoryFaultInfo = 232;
constexpr int kCapMemoryAttributes = 233;
constexpr int kCapGuestMemfd = 234;
constexpr int kCapVmTypes = 235;
constexpr int kCapPreFaultMemory = 236;
constexpr int kCapGuestMemfdFlags = 244;

// KVM_SET_USER_MEMORY_REGION2. A slot with kSlotGuestMemfd cannot be changed, only deleted (size 0)
// and made anew.
struct MemoryRegion2 {
  uint32_t slot = 0;
  uint32_t flags = 0;
  uint64_t guest_phys_addr = 0;
  uint64_t memory_size = 0;
  uint64_t userspace_addr = 0;  // backs the shared view, needed with guest_memfd too
  uint64_t guest_memfd_offset = 0;
  uint32_t guest_memfd = 0;
  uint32_t pad1 = 0;
  uint64_t pad2[14] = {};
};
static_assert(sizeof(MemoryRegion2) == 160);
static_assert(offsetof(MemoryRegion2, guest_phys_addr) == 8);
static_assert(offsetof(MemoryRegion2, userspace_addr) == 24);
static_assert(offsetof(MemoryRegion2, guest_memfd_offset) == 32);
static_assert(offsetof(MemoryRegion2, guest_memfd) == 40);
static_assert(offsetof(MemoryRegion2, pad2) == 48);

constexpr uint32_t kSlotLogDirty = 1;
constexpr uint32_t kSlotReadOnly = 2;
constexpr uint32_t kSlotGuestMemfd = 4;

struct CreateGuestMemfd {
  uint64_t size = 0;
  uint64_t flags = 0;
  uint64_t reserved[6] = {};
};
static_assert(sizeof(CreateGuestMemfd) == 64 && offsetof(CreateGuestMemfd, reserved) == 16);

// makes the slot "guest_memfd only": not for confidential VMs
constexpr uint64_t kGuestMemfdMmap = 1;
constexpr uint64_t kGuestMemfdInitShared = 2;

struct MemoryAttributes {
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t attributes = 0;
  uint64_t flags = 0;
};
static_assert(sizeof(MemoryAttributes) == 32 && offsetof(MemoryAttributes, attributes) == 16);
static_assert(offsetof(MemoryAttributes, flags) == 24);

constexpr uint64_t kAttributePrivate = 1 << 3;

struct PreFaultMemory {  // gpa and size are advanced on return
  uint64_t gpa = 0;
  uint64_t size = 0;
  uint64_t flags = 0;
  uint64_t padding[5] = {};
};
static_assert(sizeof(PreFaultMemory) == 64 && offsetof(PreFaultMemory, padding) == 24);

// KVM_EXIT_MEMORY_FAULT, at kExitDataOffset in kvm_run. Only when KVM_RUN failed with EFAULT or
// EHWPOISON: after any other errno the exit reason is a stale one.
constexpr uint32_t kExitMemoryFault = 39;
constexpr size_t kExitDataOffset = 32;
constexpr uint64_t kMemoryFaultPrivate = 1 << 3;
struct ExitMemoryFault {
  uint64_t flags = 0;
  uint64_t gpa = 0;
  uint64_t size = 0;
};
static_assert(sizeof(ExitMemoryFault) == 24 && offsetof(ExitMemoryFault, gpa) == 8);

// KVM_EXIT_HYPERCALL with nr KVM_HC_MAP_GPA_RANGE: gpa, number of 4 KiB pages, attributes. `ret`
// may be 0, EINVAL or EAGAIN (as positive numbers); anything else fails the next KVM_RUN.
constexpr uint64_t kHypercallMapGpaRange = 12;
constexpr uint64_t kMapGpaEncrypted = 1 << 4;

// KVM_HAS_DEVICE_ATTR / KVM_GET_DEVICE_ATTR on /dev/kvm: what this host's KVM supports.
struct DeviceAttribute {
  uint32_t flags = 0;
  uint32_t group = 0;
  uint64_t attr = 0;
  uint64_t addr = 0;
};
static_assert(sizeof(DeviceAttribute) == 24 && offsetof(DeviceAttribute, attr) == 8);

namespace request {
constexpr IoctlRequest set_user_memory_region2{_IOW(KVMIO, 0x49, MemoryRegion2),
                                               "KVM_SET_USER_MEMORY_REGION2"};
constexpr IoctlRequest set_memory_attributes{_IOW(KVMIO, 0xd2, MemoryAttributes),
                                             "KVM_SET_MEMORY_ATTRIBUTES"};
constexpr IoctlRequest create_guest_memfd{_IOWR(KVMIO, 0xd4, CreateGuestMemfd),
                                          "KVM_CREATE_GUEST_MEMFD"};
constexpr IoctlRequest pre_fault_memory{_IOWR(KVMIO, 0xd5, PreFaultMemory), "KVM_PRE_FAULT_MEMORY"};
constexpr IoctlRequest has_device_attr{_IOW(KVMIO, 0xe3, DeviceAttribute), "KVM_HAS_DEVICE_ATTR"};
constexpr IoctlRequest get_device_attr{_IOW(KVMIO, 0xe2, DeviceAttribute), "KVM_GET_DEVICE_ATTR"};
constexpr IoctlRequest set_tsc_khz{KVM_SET_TSC_KHZ, "KVM_SET_TSC_KHZ"};
constexpr IoctlRequest set_mp_state{KVM_SET_MP_STATE, "KVM_SET_MP_STATE"};
}  // namespace request

static_assert(request::set_user_memory_region2.number == 0x40a0ae49);
static_assert(request::set_memory_attributes.number == 0x4020aed2);
static_assert(request::create_guest_memfd.number == 0xc040aed4);
static_assert(request::pre_fault_memory.number == 0xc040aed5);
static_assert(request::has_device_attr.number == 0x4018aee3);
static_assert(request::get_device_attr.number == 0x4018aee2);
static_assert(request::set_tsc_khz.number == 0xaea2);
static_assert(request::set_mp_state.number == 0x4004ae99);

}  // namespace bartizan::vmm::kvm
