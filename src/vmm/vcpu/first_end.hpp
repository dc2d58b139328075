// FirstEnd: how a machine's guest ended, for a thread that waits for it. The first end counts: of
// several vCPUs, or of whatever else ends a guest. All threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "vmm/vcpu/dispatch.hpp"

namespace bartizan::vmm::vcpu {

class FirstEnd {
 public:
  void set(const End& end) {
    std::lock_guard lock(mutex_);
    if (!end_) end_ = end;
    changed_.notify_all();
  }
  // nullopt: there was no end within `limit`.
  std::optional<End> wait(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [this] { return end_.has_value(); });
    return end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<End> end_;
};

}  // namespace bartizan::vmm::vcpu
