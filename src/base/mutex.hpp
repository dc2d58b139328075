// Mutex, MutexLock and Condition: std::mutex and its companions, known to clang's thread safety
// analysis (libstdc++ does not annotate its own).
//
// A predicate of Condition::wait would be a function of its own for the analysis, which does not
// see the lock around it. Waiting is therefore a loop:
//
//   MutexLock lock(mutex_);
//   while (!done_) changed_.wait(lock);
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/thread_annotations.hpp"

namespace bartizan {

class BARTIZAN_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() BARTIZAN_ACQUIRE() { mutex_.lock(); }
  void unlock() BARTIZAN_RELEASE() { mutex_.unlock(); }

  // For a function that is only ever called with the lock held but through a pointer or a callback,
  // where the analysis cannot see it. It does nothing at run time.
  void assume_held() const BARTIZAN_ASSERT_CAPABILITY(this) {}

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a mutex for a scope. It may be released and taken again in between.
class BARTIZAN_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) BARTIZAN_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() BARTIZAN_RELEASE() {}

  void lock() BARTIZAN_ACQUIRE() { lock_.lock(); }
  void unlock() BARTIZAN_RELEASE() { lock_.unlock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

// A condition variable. Each wait may end without a cause, so that it stands in a loop.
class Condition {
 public:
  void notify_one() { changed_.notify_one(); }
  void notify_all() { changed_.notify_all(); }

  void wait(MutexLock& lock) { changed_.wait(lock.lock_); }
  // False: `deadline` has passed.
  template <typename Clock, typename Duration>
  bool wait_until(MutexLock& lock, std::chrono::time_point<Clock, Duration> deadline) {
    return changed_.wait_until(lock.lock_, deadline) == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable changed_;
};

}  // namespace bartizan
