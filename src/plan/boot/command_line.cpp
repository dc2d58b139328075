#include "plan/boot/command_line.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::plan::boot {

Result<std::string> join_command_line(std::span<const std::string_view> parts) {
  std::string line;
  for (auto part : parts) {
    if (part.empty()) continue;
    if (!line.empty()) line += ' ';
    line += part;
  }
  auto bad = std::find_if(line.begin(), line.end(), [](char c) { return c < 0x20 || c > 0x7e; });
  if (bad != line.end()) {
    return make_error(ErrorCode::invalid_argument, "plan/boot/command_line",
                      "kernel command line: byte {:#04x} at position {} is not printable ASCII",
                      static_cast<uint8_t>(*bad), bad - line.begin());
  }
  if (line.size() > kMaxCommandLine) {
    return make_error(ErrorCode::invalid_argument, "plan/boot/command_line",
                      "kernel command line: {} bytes exceed the maximum of {}", line.size(),
                      kMaxCommandLine);
  }
  return line;
}

}  // namespace bartizan::plan::boot
