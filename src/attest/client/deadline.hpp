// A moment by which something must be done: many small waits share one limit.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace bartizan::attest::client {

class Deadline {
 public:
  static Deadline after_ms(uint32_t milliseconds) {
    return Deadline(Clock::now() + std::chrono::milliseconds(milliseconds));
  }
  bool passed() const { return Clock::now() >= moment_; }
  int remaining_ms() const {  // for poll(); rounded up, so that a poll of it never spins
    auto left = std::chrono::ceil<std::chrono::milliseconds>(moment_ - Clock::now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000));
  }

 private:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(Clock::time_point moment) : moment_(moment) {}
  Clock::time_point moment_;
};

}  // namespace bartizan::attest::client
