// Why the kernel refuses a call of a launch: the cause that its documentation gives, appended to
// the errno's own words, so that an operator knows what to change.
#pragma once

#include "vmm/kvm/firmware_result.hpp"
#include "vmm/kvm/sev_abi.hpp"
#include "vmm/kvm/tdx_abi.hpp"

#include "bartizan/result.hpp"

namespace bartizan::vmm::launch {

// The cause of `os_errno` by the ioctl's name; empty: none documented.
std::string_view cause_of(std::string_view ioctl, int os_errno);

// "success" … "invalid key"; the name that the SEV API and SNP ABI specifications give a status.
std::string_view firmware_error_name(uint64_t status);

Error with_cause(Error error, std::string_view ioctl);

template <typename T>
Result<T> explain(Result<T> result, std::string_view ioctl) {
  if (result.ok()) return result;
  return with_cause(std::move(result).error(), ioctl);
}

// Of a command of KVM_MEMORY_ENCRYPT_OP.
Result<void> explain(kvm::SevCommandId id, const kvm::FirmwareResult& outcome);
Result<void> explain(kvm::TdxCommandId id, const kvm::FirmwareResult& outcome);

}  // namespace bartizan::vmm::launch
