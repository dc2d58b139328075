// krun_start_enter: a configuration becomes a machine, which is this process from then on.
#pragma once

#include "krun/context.hpp"

namespace bartizan::krun {

// Starts the machine and waits for its end: the status that the process is to end with, 0 to 255.
// An error: nothing was started.
Result<int> run_machine(const KrunContext& context);

}  // namespace bartizan::krun
