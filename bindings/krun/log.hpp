// The log of the library: of the process, as libkrun has it, on standard error unless
// krun_init_log says otherwise. A line is one write. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "bartizan/log.hpp"

namespace bartizan::krun {

// libkrun's levels: 0 off, 1 error, 2 warning, 3 info, 4 debug, 5 trace. crun asks for 1 and has no
// other way to ask, so warnings come with 1 too: what a TEE does not protect, say.
void set_log_level(uint32_t level);
// The descriptor becomes the library's, unless it is a standard stream.
void set_log_file(int fd);

// "bartizan: LINE", without what would steer a terminal.
void log(LogLevel level, std::string_view line);
// A line of the guest's console: "guest| LINE", at any level.
void log_guest(std::string_view line);

}  // namespace bartizan::krun
