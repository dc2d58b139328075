#include "vmm/launch/causes.hpp"

#include <algorithm>
#include <iterator>

#include "base/errors.hpp"

namespace bartizan::vmm::launch {
namespace {

struct Cause {
  std::string_view ioctl;
  int os_errno;
  std::string_view text;
};

// Linux Documentation/virt/kvm (api.rst, x86/amd-memory-encryption.rst, x86/intel-tdx.rst), and
// where these are silent the code that returns the errno (sev.c, tdx.c, guest_memfd.c).
constexpr Cause kCauses[] = {
    {"KVM_CREATE_VM", EINVAL, "this host's KVM does not offer VMs of that type"},
    {"KVM_CREATE_VM", EBUSY, "no TDX key or no memory for the VM's control structures is left"},
    {"KVM_CREATE_VCPU", EIO, "KVM_TDX_INIT_VM was not done"},
    {"KVM_CREATE_VCPU", EINVAL, "vCPU number beyond KVM_CAP_MAX_VCPUS"},
    {"KVM_CREATE_GUEST_MEMFD", EINVAL, "this VM type has no private memory"},
    {"KVM_CREATE_GUEST_MEMFD", ENOMEM, "the host has no memory left"},
    {"KVM_SET_USER_MEMORY_REGION2", EINVAL, "needs Linux 6.8 or later with guest_memfd"},
    {"KVM_SET_USER_MEMORY_REGION2", EEXIST, "memory slots overlap"},
    {"KVM_SET_MEMORY_ATTRIBUTES", EINVAL, "this VM type has no private memory"},
    {"KVM_SET_MEMORY_ATTRIBUTES", ENOMEM, "the host has no memory left"},
    {"KVM_ENABLE_CAP", EINVAL, "the capability is not offered to this VM type"},
    {"KVM_MEMORY_ENCRYPT_REG_REGION", ENOMEM,
     "guest RAM must be locked in memory: RLIMIT_MEMLOCK is too small, or RAM is short"},
    {"KVM_MEMORY_ENCRYPT_REG_REGION", ENOTTY, "KVM_SEV_INIT2 was not done"},

    {"KVM_SEV_INIT2", ENOTTY,
     "kvm_amd was loaded without this TEE, or firmware set no ASIDs aside"},
    {"KVM_SEV_INIT2", EBUSY, "no free ASID: other confidential guests hold them all"},
    {"KVM_SEV_INIT2", EAGAIN, "the misc cgroup's limit of ASIDs is reached"},
    {"KVM_SEV_INIT2", EINVAL, "wrong VM type, vCPUs exist already, or VMSA features not offered"},
    {"KVM_SEV_INIT2", ENODEV, "the security processor does not answer"},
    {"KVM_SEV_SNP_LAUNCH_START", EINVAL,
     "the policy has bits that KVM does not allow, or a second start"},
    {"KVM_SEV_SNP_LAUNCH_START", ENOTTY,
     "the firmware made no guest context: /dev/sev is not the platform's, or SNP is not "
     "initialised"},
    {"KVM_SEV_SNP_LAUNCH_UPDATE", EINVAL,
     "no guest_memfd there, not whole pages, or LAUNCH_START missing"},
    {"KVM_SEV_SNP_LAUNCH_UPDATE", EIO,
     "the page is not private, was loaded before, or was refused"},
    {"KVM_SEV_SNP_LAUNCH_FINISH", EINVAL,
     "LAUNCH_START missing, or the launch was finished before"},
    {"KVM_SEV_SNP_LAUNCH_FINISH", EBADF, "/dev/sev was not passed with the command"},
    {"KVM_SEV_SNP_ENABLE_REQ_CERTS", EINVAL, "this host's KVM cannot hand certificates to a guest"},
    {"KVM_SEV_LAUNCH_START", EBADF, "the descriptor passed is not /dev/sev"},
    {"KVM_SEV_LAUNCH_START", ENOTTY, "KVM_SEV_INIT2 was not done"},
    {"KVM_SEV_LAUNCH_START", EINVAL, "certificate or session blob of an impossible size"},
    {"KVM_SEV_LAUNCH_UPDATE_DATA", ENOMEM, "guest RAM cannot be locked: raise RLIMIT_MEMLOCK"},
    {"KVM_SEV_LAUNCH_UPDATE_DATA", EINVAL, "a range of no bytes"},
    {"KVM_SEV_LAUNCH_UPDATE_VMSA", EINVAL, "done before, or a debugger is attached to a vCPU"},
    {"KVM_SEV_LAUNCH_UPDATE_VMSA", ENOTTY, "the VM is not SEV-ES"},
    {"KVM_SEV_LAUNCH_MEASURE", EINVAL, "the buffer's size is impossible"},
    {"KVM_SEV_LAUNCH_SECRET", EINVAL, "the secret's place is not within one page"},
    {"KVM_SEV_LAUNCH_SECRET", ENOMEM, "the secret's place cannot be locked: raise RLIMIT_MEMLOCK"},
    {"KVM_SEV_LAUNCH_FINISH", EBADF, "the descriptor passed is not /dev/sev"},

    {"KVM_TDX_CAPABILITIES", E2BIG, "the kernel lists more CPUID leaves than are sane"},
    {"KVM_TDX_INIT_VM", EINVAL,
     "attributes, XFAM or a CPUID bit that the TDX module does not allow"},
    {"KVM_TDX_INIT_VM", EBUSY, "vCPUs exist already, or no TDX key is free"},
    {"KVM_TDX_INIT_VM", EAGAIN, "the misc cgroup's limit of TDX keys is reached"},
    {"KVM_TDX_INIT_VM", EIO, "the TDX module refused"},
    {"KVM_TDX_INIT_VCPU", EINVAL, "done before, or the vCPU's CPUID lacks x2APIC"},
    {"KVM_TDX_INIT_MEM_REGION", EINVAL, "the page is not private, or the vCPU is not initialised"},
    {"KVM_TDX_INIT_MEM_REGION", EIO, "the page was loaded before, or the TDX module refused it"},
    {"KVM_TDX_INIT_MEM_REGION", EBUSY, "the TDX module is busy"},
    {"KVM_TDX_FINALIZE_VM", EINVAL, "KVM_TDX_INIT_VM was not done, or the TD is final already"},
    {"KVM_TDX_FINALIZE_VM", EBUSY, "the TDX module is busy"},
};

struct FirmwareError {
  kvm::SevFirmwareError status;
  std::string_view name, cause;
};
using kvm::SevFirmwareError;
constexpr FirmwareError kFirmwareErrors[] = {
    {SevFirmwareError::success, "success", ""},
    {SevFirmwareError::invalid_platform_state, "invalid platform state",
     "the platform is not initialised for this TEE"},
    {SevFirmwareError::invalid_guest_state, "invalid guest state",
     "a step of the launch is out of order"},
    {SevFirmwareError::invalid_config, "invalid configuration", ""},
    {SevFirmwareError::invalid_length, "invalid length", ""},
    {SevFirmwareError::policy_failure, "policy failure",
     "the policy asks for what this platform or launch is not: newer firmware, SMT off, another ID "
     "block policy"},
    {SevFirmwareError::inactive, "inactive", ""},
    {SevFirmwareError::invalid_address, "invalid address", ""},
    {SevFirmwareError::bad_signature, "bad signature",
     "the ID block, or its key, is not signed by the key that it names"},
    {SevFirmwareError::bad_measurement, "bad measurement",
     "the launch digest is not the one that its owner expects"},
    {SevFirmwareError::asid_owned, "ASID owned", "another guest holds the ASID"},
    {SevFirmwareError::invalid_guest, "invalid guest", ""},
    {SevFirmwareError::invalid_parameter, "invalid parameter", ""},
    {SevFirmwareError::invalid_page_state, "invalid page state", ""},
    {SevFirmwareError::invalid_page_owner, "invalid page owner", ""},
    {SevFirmwareError::invalid_key, "invalid key", "the session was made for another platform"},
    {SevFirmwareError::not_called, "firmware not called", ""},
};

const FirmwareError* find_firmware_error(uint64_t status) {
  auto same = [status](const FirmwareError& known) {
    return static_cast<uint64_t>(known.status) == status;
  };
  const auto* found = std::find_if(std::begin(kFirmwareErrors), std::end(kFirmwareErrors), same);
  return found == std::end(kFirmwareErrors) ? nullptr : found;
}

bool firmware_refused(uint64_t status) {
  return status != static_cast<uint64_t>(SevFirmwareError::success) &&
         status != static_cast<uint64_t>(SevFirmwareError::not_called);
}

}  // namespace

std::string_view cause_of(std::string_view ioctl, int os_errno) {
  for (const Cause& cause : kCauses) {
    if (cause.ioctl == ioctl && cause.os_errno == os_errno) return cause.text;
  }
  return {};
}

std::string_view firmware_error_name(uint64_t status) {
  const FirmwareError* known = find_firmware_error(status);
  return known == nullptr ? std::string_view("unknown") : known->name;
}

Error with_cause(Error error, std::string_view ioctl) {
  std::string_view cause = cause_of(ioctl, error.os_errno);
  if (!cause.empty()) error.message += fmt::format(" ({})", cause);
  return error;
}

Result<void> explain(kvm::SevCommandId id, const kvm::FirmwareResult& outcome) {
  if (outcome.ok()) return {};
  const char* ioctl = kvm::request::sev(id).name;
  if (!firmware_refused(outcome.firmware)) {
    return with_cause(errno_error(outcome.os_errno, "tee", ioctl), ioctl);
  }
  const FirmwareError* known = find_firmware_error(outcome.firmware);
  std::string text = fmt::format("{}: firmware error {:#x}, {}", ioctl, outcome.firmware,
                                 firmware_error_name(outcome.firmware));
  if (known != nullptr && !known->cause.empty()) text += fmt::format(" ({})", known->cause);
  return errno_error(outcome.os_errno, "tee", std::move(text));
}

Result<void> explain(kvm::TdxCommandId id, const kvm::FirmwareResult& outcome) {
  if (outcome.ok()) return {};
  const char* ioctl = kvm::request::tdx(id).name;
  std::string text = ioctl;
  if (outcome.firmware != 0) text += fmt::format(": TDX module status {:#x}", outcome.firmware);
  return with_cause(errno_error(outcome.os_errno, "tee", std::move(text)), ioctl);
}

}  // namespace bartizan::vmm::launch
