// What a vCPU knows when it starts: CPUID, MSRs, registers. Before it runs.
#pragma once

#include <cstdint>

#include "bartizan/result.hpp"
#include "plan/tee/launch_plan.hpp"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/vcpu.hpp"

namespace bartizan::vmm::vcpu {

// KVM's table as the vCPU `id` of `count` must see it: hypervisor bit, topology, a leaf 0xD that
// agrees with the rest.
kvm::CpuidTable cpuid_of(const kvm::CpuidTable& supported, uint32_t id, uint32_t count);

Result<void> set_msrs(kvm::Vcpu& vcpu);
Result<void> set_registers(kvm::Vcpu& vcpu, const plan::tee::CpuState& state);

}  // namespace bartizan::vmm::vcpu
