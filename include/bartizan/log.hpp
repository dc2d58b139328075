// Log output. The library never prints; pass a LogSink to receive its messages.
//
// A sink is called from any of the library's threads, one line at a time, without a final newline;
// it must return soon and must not call back into the object that it was given to.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace bartizan {

enum class LogLevel : int { error = 0, warning = 1, info = 2, debug = 3 };

using LogSink = std::function<void(LogLevel level, std::string_view line)>;

// Progress of a long operation: `done` of `total` units ("bytes") in the stage named; `total` is 0
// while unknown. Return false to cancel: the work then fails with `cancelled` and leaves nothing
// behind.
struct Progress {
  std::string_view stage;
  uint64_t done = 0;
  uint64_t total = 0;
};
using ProgressSink = std::function<bool(const Progress&)>;

}  // namespace bartizan
