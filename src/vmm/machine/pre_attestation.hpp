// SEV and SEV-ES: who owns a launch. Its guest brings no evidence later, so somebody must judge it
// before it runs, and give it its key: the broker of the image's manifest, asked by this host, or
// whoever the caller names.
#pragma once

#include <optional>

#include "bartizan/machine.hpp"
#include "guest_abi/manifest.hpp"
#include "plan/tee/launch_plan.hpp"
#include "vmm/kvm/kernel_api.hpp"
#include "vmm/launch/launch_identity.hpp"

namespace bartizan::vmm::machine {

struct LaunchOwner {
  const TeeOptions& options;
  const std::optional<guest_abi::Manifest::Broker>& broker;  // that is asked for this launch
  bool key_from_caller = false;
};

// Puts certificate, session and owner of `plan`'s launch into `binding`, where the broker is the
// owner; elsewhere checks that the guest will have its key from somebody. Other TEEs: nothing to
// do. Errors: invalid_argument names what is missing or too much; those of the broker and of
// /dev/sev.
Result<void> resolve_guest_owner(kvm::KernelApi& kernel, const LaunchOwner& who,
                                 const plan::tee::LaunchPlan& plan,
                                 launch::LaunchIdentity* binding);

}  // namespace bartizan::vmm::machine
