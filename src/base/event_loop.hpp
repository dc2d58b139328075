// EventLoop: one thread's worth of epoll. Devices run on it; it knows file descriptors, timers and
// posted work.
//
// Threads: `run()` is called once, on the thread that is the loop. `post`, `stop` may be called
// from any thread; everything else from the loop's thread, or before run().
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "bartizan/result.hpp"
#include "base/mutex.hpp"
#include "base/unique_fd.hpp"

namespace bartizan {

class EventLoop {
 public:
  using Callback = std::function<void(uint32_t events)>;  // EPOLLIN | EPOLLOUT | …
  using Work = std::function<void()>;

  static Result<std::unique_ptr<EventLoop>> create();

  // Watches `fd` (borrowed) for `events`; a second call for the same fd replaces events and
  // callback.
  Result<void> watch(int fd, uint32_t events, Callback callback);
  void unwatch(int fd);  // no callback for it runs after this returns

  // Calls `work` once, not before `delay_ms` milliseconds. The id serves cancel_timer().
  uint64_t call_after(uint64_t delay_ms, Work work);
  void cancel_timer(uint64_t id);

  void post(Work work);  // runs `work` on the loop's thread, soon
  void stop();           // makes run() return
  void run();

 private:
  EventLoop(UniqueFd epoll, UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  int next_timeout_ms() const;
  void run_due_timers();
  void run_posted();

  UniqueFd epoll_;
  UniqueFd wake_;
  std::map<int, std::shared_ptr<Callback>> watches_;
  std::multimap<uint64_t, std::pair<uint64_t, Work>> timers_;  // due time in ms -> (id, work)
  uint64_t next_timer_ = 1;
  bool running_ = true;  // loop's thread only; stop() posts

  Mutex mutex_;
  std::deque<Work> posted_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan
