// The probe guest: a few thousand instructions in long mode on a bare VM with one vCPU. A processor
// runs them in microseconds; a KVM back end that emulates long mode instruction by instruction
// (kvm_pvm) does not come to the end.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "bartizan/result.hpp"
#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::host {

// timed_out: long mode is emulated. unsupported: the guest crashed. Else: errors of creating a VM.
Result<void> run_probe_guest(std::shared_ptr<kvm::KernelApi> kernel,
                             const std::filesystem::path& kvm_device,
                             std::chrono::milliseconds limit);

}  // namespace bartizan::vmm::host
