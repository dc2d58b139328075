// FirstEnd: how a machine's guest ended, for a thread that waits for it. The first end counts: of
// several vCPUs, or of whatever else ends a guest. All threads.
#pragma once

#include <chrono>
#include <optional>

#include "base/mutex.hpp"
#include "vmm/vcpu/dispatch.hpp"

namespace bartizan::vmm::vcpu {

class FirstEnd {
 public:
  void set(const End& end) {
    MutexLock lock(mutex_);
    if (!end_) end_ = end;
    changed_.notify_all();
  }
  // nullopt: there was no end within `limit`.
  std::optional<End> wait(std::chrono::milliseconds limit) {
    MutexLock lock(mutex_);
    auto deadline = std::chrono::steady_clock::now() + limit;
    while (!end_ && changed_.wait_until(lock, deadline)) {
    }
    return end_;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::optional<End> end_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::vcpu
