// Settings of config.json for the kernel that a workload meets, and for its process: sysctl,
// limits, umask, personality. A confidential workload meets the guest's kernel, and has its process
// from its own image; here is the VM's process alone.
#pragma once

#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/json.hpp"

namespace bartizan::runtime {

// invalid_argument: one that would have no effect, and that no engine sets by itself.
Result<void> check_kernel_settings(const Json& config);

// One line for each that is in force for the VM's process or the container's network, and not in
// the guest. What engines set by themselves has none.
std::vector<std::string> kernel_remarks(const Json& config);

}  // namespace bartizan::runtime
