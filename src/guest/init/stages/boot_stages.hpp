// Runs PID 1's boot stages in the order of guest_abi/boot_stages.hpp. Never returns.
#pragma once

#include "guest/init/host/host_reporter.hpp"

namespace bartizan::guest::init::stages {

// Ends the machine, one way or the other.
[[noreturn]] void run_boot_stages(host::HostReporter& report);

}  // namespace bartizan::guest::init::stages
