#include "vmm/launch/sev/device.hpp"

#include <linux/psp-sev.h>

#include <algorithm>
#include <cerrno>

#include "base/errors.hpp"
#include "vmm/launch/causes.hpp"

namespace bartizan::vmm::launch::sev {
namespace {

constexpr uint32_t kEncryptionLeaf = 0x8000'001f;  // AMD APM volume 3, CPUID Fn8000_001F
constexpr uint32_t kCBitMask = 0x3f;
constexpr uint32_t kOneBitLost = 1u << 6;  // EBX[11:6]: physical address bits that encryption costs

}  // namespace

Result<UniqueFd> initialise(kvm::KernelApi& kernel, kvm::Vm& vm, uint64_t vmsa_features) {
  auto device = TRY(kvm::open_device(kernel, kSevDevice));
  kvm::SevInit2 init;
  init.vmsa_features = vmsa_features;
  auto id = kvm::SevCommandId::init2;
  TRY(explain(id, vm.sev(id, &init, device.get())));
  return device;
}

// The driver knows the firmware's codes; of PLATFORM_STATUS there is nothing to explain but that it
// failed.
Result<PlatformStatus> platform_status(kvm::KernelApi& kernel) {
  auto device = TRY(kvm::open_device(kernel, kSevDevice));
  sev_user_data_status status{};
  sev_issue_cmd command{};
  command.cmd = SEV_PLATFORM_STATUS;
  command.data = reinterpret_cast<uint64_t>(&status);
  const kvm::IoctlRequest request{SEV_ISSUE_CMD, "SEV_PLATFORM_STATUS"};
  if (kernel.ioctl(device.get(), request, reinterpret_cast<unsigned long>(&command)) != 0) {
    const uint32_t code = command.error;  // a packed field
    return errno_error(errno, "tee",
                       fmt::format("SEV_PLATFORM_STATUS, firmware error {:#x}", code));
  }
  return PlatformStatus{status.api_major, status.api_minor, status.build};
}

void announce(kvm::CpuidTable& table, uint32_t feature_bits, uint8_t c_bit) {
  kvm_cpuid_entry2& highest = table.find_or_add(0x8000'0000);
  highest.eax = std::max(highest.eax, kEncryptionLeaf);
  kvm_cpuid_entry2& leaf = table.find_or_add(kEncryptionLeaf);
  uint32_t position = c_bit != 0 ? c_bit : leaf.ebx & kCBitMask;
  leaf.eax = feature_bits;
  leaf.ebx = position | kOneBitLost;
  leaf.ecx = leaf.edx = 0;
}

Result<void> check_c_bit(const kvm::CpuidTable& host, uint8_t c_bit) {
  const kvm_cpuid_entry2* leaf = host.find(kEncryptionLeaf);
  uint32_t real = leaf == nullptr ? 0 : leaf->ebx & kCBitMask;
  if (c_bit == 0 || real == 0 || real == c_bit) return {};
  return make_error(ErrorCode::unsupported, "tee",
                    "the launch was planned for C-bit {}; this processor's is {}", c_bit, real);
}

}  // namespace bartizan::vmm::launch::sev
