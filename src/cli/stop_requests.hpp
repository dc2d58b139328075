// Which of the signals that ask a run to stop is the first, and which one means "at once". Pure and
// signal-safe: the clock is the caller's.
#pragma once

#include <atomic>
#include <cstdint>

namespace bartizan::cli {

enum class StopRequest { first, repeated, again };

class StopRequests {
 public:
  // Signals so soon after the first are the first: GNU timeout(1) sends one to its child and one
  // to the group that the child is in, and a service manager may do the same. A person who wants an
  // end at once has seen by then that there is none.
  static constexpr int64_t kSameMs = 1000;

  // `now_ms`: of a clock that is never set back, 0 or later.
  StopRequest take(int64_t now_ms) {
    int64_t first = kNone;
    if (first_ms_.compare_exchange_strong(first, now_ms)) return StopRequest::first;
    return now_ms - first < kSameMs ? StopRequest::repeated : StopRequest::again;
  }

 private:
  static constexpr int64_t kNone = -1;
  std::atomic<int64_t> first_ms_{kNone};
  static_assert(std::atomic<int64_t>::is_always_lock_free);
};

}  // namespace bartizan::cli
