// SEV and SEV-ES: who owns a launch. Its guest brings no evidence later, so somebody must judge it
// before it runs, and give it its key: the broker of the image's manifest, asked by this host, or
// whoever the caller names.
#pragma once

#include "bartizan/machine.hpp"
#include "kvm/kernel_api.hpp"
#include "tee/binding.hpp"
#include "tee/plan.hpp"

namespace bartizan::machine {

struct LaunchOwner {
  const TeeOptions& options;
  ByteView manifest;
  bool key_from_caller = false;
};

// Puts certificate, session and owner of `plan`'s launch into `binding`, where the broker is the
// owner; elsewhere checks that the guest will have its key from somebody. Other TEEs: nothing to
// do. Errors: invalid_argument says what is missing or too much; those of the broker and of
// /dev/sev.
Result<void> settle_owner(kvm::KernelApi& kernel, const LaunchOwner& who,
                          const tee::LaunchPlan& plan, tee::LaunchBinding* binding);

}  // namespace bartizan::machine
