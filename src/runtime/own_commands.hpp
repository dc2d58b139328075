// The commands that are this program's own, and no stock runtime's: install, check, help.
#pragma once

#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "runtime/command_line.hpp"

namespace bartizan::runtime {

bool is_own_command(const RuntimeCommand& command);

// The exit status: 0, or 1 if `check` misses something that a container needs.
Result<int> run_own_command(const RuntimeCommand& command);

}  // namespace bartizan::runtime
