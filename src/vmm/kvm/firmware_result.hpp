// FirmwareResult: what KVM_MEMORY_ENCRYPT_OP answered: the kernel's errno and, behind it, the word
// of the firmware or the TDX module. The caller interprets them: it knows the command.
#pragma once

#include <cstdint>

namespace bartizan::vmm::kvm {

struct FirmwareResult {
  int os_errno = 0;       // 0: done
  uint64_t firmware = 0;  // SEV, SEV-ES, SNP: SevFirmwareError; TDX: the module's status
  bool ok() const { return os_errno == 0; }
};

}  // namespace bartizan::vmm::kvm
