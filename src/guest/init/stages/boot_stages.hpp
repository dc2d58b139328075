// PID 1's way through the stages, in the order of guest_abi/boot_stages.hpp. One object, one call,
// no way back.
#pragma once

#include "guest/init/host/host_reporter.hpp"

namespace bartizan::guest::init::stages {

// Ends the machine, one way or the other.
[[noreturn]] void run_boot_stages(host::HostReporter& report);

}  // namespace bartizan::guest::init::stages
