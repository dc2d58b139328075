// The signal that interrupts KVM_RUN.
#pragma once

#include "bartizan/result.hpp"

namespace bartizan::vmm::vcpu {

int kick_signal();  // SIGRTMIN + 4

// Installs a handler that does nothing, if the disposition is the default. A handler of the
// caller's stays: it does as well. invalid_state if the process ignores the signal: then no kick
// would ever arrive.
Result<void> prepare_kick_signal();

}  // namespace bartizan::vmm::vcpu
