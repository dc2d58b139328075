// TeeHost: what the played host offers. Everything that real hosts differ in, with the defaults of
// a machine that has both vendors' TEEs (no such machine exists; the VM type decides which half is
// used).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "vmm/kvm/sev_abi.hpp"
#include "vmm/kvm/tdx_abi.hpp"

namespace bartizan::fakes {

// One entry of the SNP CPUID page (SNP firmware ABI, "CPUID page").
struct CpuidPageEntry {
  uint32_t eax_in = 0, ecx_in = 0;
  uint64_t xcr0_in = 0, xss_in = 0;
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  uint64_t reserved = 0;
};
static_assert(sizeof(CpuidPageEntry) == 48);

struct TeeHost {
  // 1 << VmType of each that KVM_CREATE_VM accepts.
  uint32_t vm_types = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5;
  std::map<int, int> capabilities;  // answers of KVM_CHECK_EXTENSION that differ from the model's
  int kvm_open_errno = 0;           // open of /dev/kvm fails
  int sev_open_errno = 0;           // open of /dev/sev fails
  int max_vcpus = 64;
  // A signal is pending in UPDATE and INIT_MEM_REGION after this many pages of one call; 0: never.
  uint64_t interrupt_after_pages = 0;

  // AMD.
  size_t asids = 4;
  uint8_t firmware_api_major = 1, firmware_api_minor = 55, firmware_build = 21;
  uint64_t vmsa_features = 1 << 5;  // DebugSwap
  // KVM's own: ABI minor and major, SMT, reserved-one, DEBUG, SINGLE_SOCKET. MIGRATE_MA (18) is not
  // among them.
  uint64_t snp_policy_bits = 0x1bffff;
  bool snp_certs = true;  // KVM_SEV_SNP_ENABLE_REQ_CERTS
  uint32_t c_bit = 51;
  bool machine_check = true;  // the host has CR4.MCE, which KVM then forces into the VMSA
  // The firmware's filter: corrects an entry of a CPUID page and says so. Null: the one that is
  // documented in tests/fakes/README.md.
  std::function<bool(CpuidPageEntry&)> correct_cpuid;

  // Intel.
  uint64_t tdx_attributes = vmm::kvm::kTdxAttributeSeptVeDisable;
  uint64_t tdx_xfam = 0x602e7;
  bool tdx_five_level_ept = true;
  bool tdx_busy = false;  // the module answers FINALIZE with "operand busy"
  // What KVM_TDX_CAPABILITIES lists: leaf, index, and the bits that may be set.
  std::vector<kvm_cpuid_entry2> tdx_configurable = default_tdx_configurable();

  static std::vector<kvm_cpuid_entry2> default_tdx_configurable();
};

}  // namespace bartizan::fakes
