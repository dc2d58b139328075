// Meter: reports the progress of a stage to a caller's ProgressSink, which may cancel the work.
#pragma once

#include <string_view>

#include "bartizan/log.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan {

class Meter {
 public:
  Meter(const ProgressSink& sink, std::string_view stage, uint64_t total)
      : sink_(sink), progress_{stage, 0, total} {}

  // `cancelled` if the caller wants so.
  Result<void> advance(uint64_t count) {
    progress_.done += count;
    bool due = progress_.done >= next_ || progress_.done == progress_.total;
    if (!due || !sink_) return {};
    next_ = progress_.done + kStep;
    if (sink_(progress_)) return {};
    return make_error(ErrorCode::cancelled, "image/builder", "{}: cancelled by the caller",
                      progress_.stage);
  }

  // Work that takes time but has no progress to report: only asks, now and then, whether to go on.
  Result<void> ask() {
    if (++asked_ % kAskEach != 0) return {};
    next_ = progress_.done;
    return advance(0);
  }

 private:
  static constexpr uint64_t kAskEach = 4096;
  static constexpr uint64_t kStep = kMiB;
  const ProgressSink& sink_;
  Progress progress_;
  uint64_t next_ = 0, asked_ = 0;
};

}  // namespace bartizan
