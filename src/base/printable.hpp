// Text for a person's terminal, whoever wrote it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bartizan {

// How many bytes at `at` are a character that steers a terminal (C0, C1, direction of text, line
// ends); 0: none. A tabulator is none.
size_t steering_bytes(std::string_view text, size_t at);

// The text in one line that does not steer a terminal: such characters as "\x1b" or "\u202e".
std::string harmless(std::string_view text);

}  // namespace bartizan
