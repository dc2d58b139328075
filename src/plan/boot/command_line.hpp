// The kernel command line: parts joined by single spaces, and checked, because whoever may add to
// it must not be able to smuggle in a second line or an end.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"

namespace bartizan::plan::boot {

// What any x86 kernel takes (COMMAND_LINE_SIZE 2048 with the final zero).
constexpr size_t kMaxCommandLine = 2047;

// Empty parts are left out. invalid_argument: control characters or bytes beyond ASCII (names the
// position), or too long.
Result<std::string> join_command_line(std::span<const std::string_view> parts);

}  // namespace bartizan::plan::boot
