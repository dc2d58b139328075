// What SEV, SEV-ES and SNP launches share: the security processor's device, and what CPUID reports
// about memory encryption.
#pragma once

#include "base/unique_fd.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/system.hpp"

namespace bartizan::vmm::launch::sev {

constexpr const char* kSevDevice = "/dev/sev";

// /dev/sev and KVM_SEV_INIT2, before the first vCPU. The descriptor goes into each command that
// reaches the firmware.
Result<UniqueFd> initialise(kvm::KernelApi& kernel, kvm::Vm& vm, uint64_t vmsa_features);

// What the firmware reports about itself (SEV API, PLATFORM_STATUS).
struct PlatformStatus {
  uint8_t api_major = 0, api_minor = 0, build = 0;
};
Result<PlatformStatus> platform_status(kvm::KernelApi& kernel);

// Leaf 0x8000001F: `feature_bits` in EAX, the C-bit in EBX; and a leaf range that reaches it.
void announce(kvm::CpuidTable& table, uint32_t feature_bits, uint8_t c_bit);

// The page tables of a plan hold its C-bit: another one on this host means another plan. 0 in the
// plan: it has no page tables. unsupported.
Result<void> check_c_bit(const kvm::CpuidTable& host, uint8_t c_bit);

constexpr uint32_t kCpuidSev = 1u << 1, kCpuidSevEs = 1u << 3, kCpuidSnp = 1u << 4;

}  // namespace bartizan::vmm::launch::sev
