// BlockedSignal: while it lives, a signal that the kernel sends for what this thread does (SIGPIPE,
// SIGXFSZ) ends nobody; the call that caused it fails with its errno instead. It lives in other
// people's processes, so neither handler nor disposition is touched.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>

namespace bartizan {

class BlockedSignal {
 public:
  explicit BlockedSignal(int number) {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, number);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &set_, &before);
    was_blocked_ = ::sigismember(&before, number) == 1;
  }
  BlockedSignal(const BlockedSignal&) = delete;
  BlockedSignal& operator=(const BlockedSignal&) = delete;
  ~BlockedSignal() {
    if (was_blocked_) return;
    timespec none{};
    ::sigtimedwait(&set_, nullptr, &none);  // one that came would be delivered now
    ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
  }

 private:
  sigset_t set_;
  bool was_blocked_ = false;
};

}  // namespace bartizan
