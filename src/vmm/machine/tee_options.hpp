// From the public options of a hardware TEE to what its launcher takes: checked before anything is
// made.
#pragma once

#include "bartizan/machine.hpp"
#include "plan/tee/launch_plan.hpp"
#include "vmm/launch/launch_identity.hpp"

namespace bartizan::vmm::machine {

// What does not depend on the TEE: sizes, both-or-neither. invalid_argument; corrupt: the
// certificates.
Result<void> check_tee_options(const TeeOptions& options);
// What the TEE has no use for; features that no Linux guest knows. invalid_argument names the
// option.
Result<void> check_tee_options(const TeeOptions& options, Tee tee);

// The policy of a launch: what was asked for, or the TEE's default.
uint64_t guest_policy_of(const TeeOptions& options, Tee tee);

// `plan`: as it will be launched, policy included.
Result<launch::LaunchIdentity> make_binding(const TeeOptions& options,
                                            const plan::tee::LaunchPlan& plan,
                                            const std::array<uint8_t, 32>& workload_digest);

}  // namespace bartizan::vmm::machine
