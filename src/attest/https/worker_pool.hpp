// WorkerPool: a few threads for what blocks (cryptography, the store), behind a bounded queue. The
// queue takes turns among those who wait, so one who brings much delays itself alone. Any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "attest/https/peer_address.hpp"
#include "bartizan/result.hpp"
#include "base/mutex.hpp"

namespace bartizan::attest::https {

class WorkerPool {
 public:
  // `threads` 0: as many as processors, 2 to 8.
  static Result<std::unique_ptr<WorkerPool>> start(size_t threads, size_t queue);
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;

  // False: the queue has no place for one more of this group; `work` was not taken. What it throws
  // ends it and nothing else.
  bool post(const PeerAddress& group, std::function<void()> work);
  size_t queued() const;
  // What runs ends, what waits is dropped. Idempotent; not from within a work.
  void stop();

 private:
  explicit WorkerPool(size_t queue) : limit_(queue) {}
  void run();
  std::function<void()> next(MutexLock& lock) BARTIZAN_REQUIRES(mutex_);

  const size_t limit_;
  mutable Mutex mutex_;
  Condition changed_;
  std::map<PeerAddress, std::deque<std::function<void()>>> waiting_ BARTIZAN_GUARDED_BY(mutex_);
  std::deque<PeerAddress> turns_ BARTIZAN_GUARDED_BY(mutex_);  // each key of waiting_, once
  size_t queued_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  bool stopped_ BARTIZAN_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace bartizan::attest::https
