// The signal that interrupts KVM_RUN, and threads that take no other.
#pragma once

#include <functional>
#include <thread>

#include "bartizan/result.hpp"

namespace bartizan::vmm::vcpu {

int kick_signal();  // SIGRTMIN + 4

// Installs a handler that does nothing, if the disposition is the default. A handler of the
// caller's stays: it does as well. invalid_state if the process ignores the signal: then no kick
// would ever arrive.
Result<void> prepare_kick_signal();

// A thread on which all signals but the kick are blocked, so that the caller's handlers never run
// on it. resource_exhausted names `what`.
Result<std::thread> start_quiet_thread(const char* what, std::function<void()> body);

}  // namespace bartizan::vmm::vcpu
