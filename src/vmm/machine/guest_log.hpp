// From the guest's console to the caller's log: LineSplitter makes clean lines of bytes, LineLimit
// counts what is too much.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace bartizan::vmm::machine {

// A guest that never ends its line must not fill our memory: it is cut here.
constexpr size_t kMaxLogLine = 4096;

// Control characters become '?': a guest must not drive the terminal of whoever reads its log. One
// thread.
class LineSplitter {
 public:
  explicit LineSplitter(std::function<void(std::string_view)> line) : line_(std::move(line)) {}
  void add(ByteView bytes);
  void finish();  // what came after the last newline

 private:
  std::function<void(std::string_view)> line_;
  std::string pending_;
};

// Lines that a guest may write at once, and each second on the average: a kernel hands over its
// whole buffer, some thousand lines, when its console comes up. A guest that writes without end
// must not fill the caller's disk, nor keep its log from other machines.
constexpr double kLogBurst = 10'000, kLogLinesPerSecond = 1'000;

// Passes lines on, up to the limit; those beyond are counted, and their number goes before the next
// one that passes. One thread.
class LineLimit {
 public:
  using Clock = std::chrono::steady_clock;
  explicit LineLimit(std::function<void(std::string_view)> line) : line_(std::move(line)) {}
  void add(std::string_view line, Clock::time_point now = Clock::now());
  void finish();  // tells what was dropped last

 private:
  std::function<void(std::string_view)> line_;
  double allowance_ = kLogBurst;
  Clock::time_point last_;
  uint64_t dropped_ = 0;
};

}  // namespace bartizan::vmm::machine
