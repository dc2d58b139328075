// What KVM_TDX_INIT_VM gets: attributes, XFAM and CPUID, cut down to what this host's TDX module
// lets a VMM choose (Linux Documentation/virt/kvm/x86/intel-tdx.rst; TDX module ABI, TD_PARAMS).
#pragma once

#include <array>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/tdx_abi.hpp"
#include "vmm/kvm/vm.hpp"

namespace bartizan::vmm::launch::tdx {

struct Capabilities {
  uint64_t attributes = 0, xfam = 0;           // what may be set
  std::vector<kvm_cpuid_entry2> configurable;  // leaves, with the bits that may be set
};
Result<Capabilities> capabilities(const kvm::Vm& vm);

// Makes a guest's CPUID table one that a TD can have: x2APIC, no TSX, no WAITPKG, 48 bits of guest
// addresses (so that bit 47 is the shared one).
void edit_cpuid(kvm::CpuidTable& table);

// Of the guest's table, what is for the VMM to choose.
std::vector<kvm_cpuid_entry2> chosen_cpuid(const kvm::CpuidTable& table,
                                           const std::vector<kvm_cpuid_entry2>& configurable);
uint64_t chosen_xfam(const kvm::CpuidTable& table, uint64_t supported);

// `attributes`: what is wanted beside SEPT_VE_DISABLE, without which no Linux guest starts.
// unsupported: the host does not offer one of them.
Result<void> init_vm(const kvm::Vm& vm, const kvm::CpuidTable& table,
                     const std::array<uint8_t, 32>& workload_digest, uint64_t attributes);

}  // namespace bartizan::vmm::launch::tdx
