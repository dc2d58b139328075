// What an engine may not ask of a confidential container. The guest takes its command, environment,
// user and files from its own encrypted image; a host that asks for others would be ignored, and
// that is said before anything starts, in one line with what to do instead.
//
// None of these checks protects the workload (the guest does, whatever config.json says): they
// protect people from believing that an option had an effect.
#pragma once

#include <cstdint>

#include "bartizan/result.hpp"
#include "base/json.hpp"

namespace bartizan::runtime {

// What the machine needs beside guest memory: this program, its libraries, its buffers and page
// tables. Measured at some 30 MiB.
constexpr uint64_t kMachineMib = 64;

// invalid_argument: a command, environment, user, working folder, mount or device of the caller's
// own, --privileged, --pid=host, what check_kernel_settings() refuses; resource_exhausted: a memory
// limit below `ram_mib` and kMachineMib. corrupt: not a config.json.
Result<void> check_container(const Json& config, uint32_t ram_mib);

}  // namespace bartizan::runtime
