// The kernel's KVM structures where <linux/kvm.h> of Debian 12 cannot be used from C++: its
// flexible arrays add four bytes to sizeof there, and the size is part of an ioctl's number.
// Layouts: Linux Documentation/virt/kvm/api.rst.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>

#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::kvm {

// Heads of the variable-sized structures; the entries follow directly.
struct CpuidHead {
  uint32_t count = 0;
  uint32_t padding = 0;
};
struct MsrsHead {
  uint32_t count = 0;
  uint32_t padding = 0;
};
struct GsiRoutingHead {
  uint32_t count = 0;
  uint32_t flags = 0;
};
static_assert(sizeof(GsiRoutingHead) == 8 && sizeof(kvm_irq_routing_entry) == 48);
static_assert(sizeof(CpuidHead) == 8 && sizeof(MsrsHead) == 8);
static_assert(sizeof(kvm_cpuid_entry2) == 40 && sizeof(kvm_msr_entry) == 16);
static_assert(offsetof(kvm_run, immediate_exit) == 1 && offsetof(kvm_run, exit_reason) == 8);
static_assert(offsetof(kvm_run, io) == 32 && offsetof(kvm_run, hypercall) == 32);

// A name for each ioctl that we use, so that an error can name the one that failed.
namespace request {
constexpr IoctlRequest get_api_version{KVM_GET_API_VERSION, "KVM_GET_API_VERSION"};
constexpr IoctlRequest check_extension{KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION"};
constexpr IoctlRequest get_vcpu_mmap_size{KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"};
constexpr IoctlRequest create_vm{KVM_CREATE_VM, "KVM_CREATE_VM"};
constexpr IoctlRequest get_supported_cpuid{_IOWR(KVMIO, 0x05, CpuidHead),
                                           "KVM_GET_SUPPORTED_CPUID"};

constexpr IoctlRequest create_vcpu{KVM_CREATE_VCPU, "KVM_CREATE_VCPU"};
constexpr IoctlRequest create_irqchip{KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP"};
constexpr IoctlRequest set_tss_addr{KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR"};
constexpr IoctlRequest set_identity_map_addr{KVM_SET_IDENTITY_MAP_ADDR,
                                             "KVM_SET_IDENTITY_MAP_ADDR"};
constexpr IoctlRequest set_user_memory_region{KVM_SET_USER_MEMORY_REGION,
                                              "KVM_SET_USER_MEMORY_REGION"};
constexpr IoctlRequest irqfd{KVM_IRQFD, "KVM_IRQFD"};
constexpr IoctlRequest ioeventfd{KVM_IOEVENTFD, "KVM_IOEVENTFD"};
constexpr IoctlRequest enable_cap{KVM_ENABLE_CAP, "KVM_ENABLE_CAP"};
constexpr IoctlRequest set_gsi_routing{_IOW(KVMIO, 0x6a, GsiRoutingHead), "KVM_SET_GSI_ROUTING"};
constexpr IoctlRequest set_msr_filter{KVM_X86_SET_MSR_FILTER, "KVM_X86_SET_MSR_FILTER"};

constexpr IoctlRequest run{KVM_RUN, "KVM_RUN"};
constexpr IoctlRequest set_cpuid2{_IOW(KVMIO, 0x90, CpuidHead), "KVM_SET_CPUID2"};
constexpr IoctlRequest get_msrs{_IOWR(KVMIO, 0x88, MsrsHead), "KVM_GET_MSRS"};
constexpr IoctlRequest set_msrs{_IOW(KVMIO, 0x89, MsrsHead), "KVM_SET_MSRS"};
constexpr IoctlRequest get_regs{KVM_GET_REGS, "KVM_GET_REGS"};
constexpr IoctlRequest set_regs{KVM_SET_REGS, "KVM_SET_REGS"};
constexpr IoctlRequest get_sregs{KVM_GET_SREGS, "KVM_GET_SREGS"};
constexpr IoctlRequest set_sregs{KVM_SET_SREGS, "KVM_SET_SREGS"};
constexpr IoctlRequest set_fpu{KVM_SET_FPU, "KVM_SET_FPU"};
constexpr IoctlRequest get_lapic{KVM_GET_LAPIC, "KVM_GET_LAPIC"};
constexpr IoctlRequest set_lapic{KVM_SET_LAPIC, "KVM_SET_LAPIC"};
constexpr IoctlRequest kvmclock_ctrl{KVM_KVMCLOCK_CTRL, "KVM_KVMCLOCK_CTRL"};
}  // namespace request

// Numbers from the kernel's own ABI; a wrong head size would change them.
static_assert(request::get_supported_cpuid.number == 0xc008ae05);
static_assert(request::set_cpuid2.number == 0x4008ae90);
static_assert(request::set_gsi_routing.number == 0x4008ae6a);
static_assert(request::get_msrs.number == 0xc008ae88);
static_assert(request::set_msrs.number == 0x4008ae89);

}  // namespace bartizan::vmm::kvm
