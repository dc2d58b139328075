// Text for a person's terminal, whoever wrote it.
#pragma once

#include <string>
#include <string_view>

namespace bartizan {

// The text in one line that does not steer a terminal: control characters as "\x1b".
std::string harmless(std::string_view text);

}  // namespace bartizan
