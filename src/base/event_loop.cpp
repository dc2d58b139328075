#include "base/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr int kEventsPerWait = 32;

uint64_t now_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return errno_error(errno, "base/event_loop", "epoll_create1");
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return errno_error(errno, "base/event_loop", "eventfd");
  std::unique_ptr<EventLoop> loop(new EventLoop(std::move(epoll), std::move(wake)));
  int wake_fd = loop->wake_.get();
  TRY(loop->watch(wake_fd, EPOLLIN, [wake_fd](uint32_t) {
    uint64_t count;
    [[maybe_unused]] ssize_t got = ::read(wake_fd, &count, sizeof count);
  }));
  return loop;
}

Result<void> EventLoop::watch(int fd, uint32_t events, Callback callback) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  int operation = watches_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
    return errno_error(errno, "base/event_loop", fmt::format("epoll_ctl fd {}", fd));
  }
  watches_[fd] = std::make_shared<Callback>(std::move(callback));
  return {};
}

void EventLoop::unwatch(int fd) {
  if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

uint64_t EventLoop::call_after(uint64_t delay_ms, Work work) {
  uint64_t id = next_timer_++;
  timers_.emplace(now_ms() + delay_ms, std::make_pair(id, std::move(work)));
  return id;
}

void EventLoop::cancel_timer(uint64_t id) {
  std::erase_if(timers_, [id](const auto& timer) { return timer.second.first == id; });
}

void EventLoop::post(Work work) {
  {
    MutexLock lock(mutex_);
    posted_.push_back(std::move(work));
  }
  uint64_t one = 1;
  [[maybe_unused]] ssize_t put = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::stop() {
  post([this] { running_ = false; });
}

int EventLoop::next_timeout_ms() const {
  if (timers_.empty()) return -1;
  uint64_t now = now_ms(), due = timers_.begin()->first;
  return due <= now ? 0 : static_cast<int>(std::min<uint64_t>(due - now, 60'000));
}

void EventLoop::run_due_timers() {
  uint64_t now = now_ms();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Work work = std::move(timers_.begin()->second.second);
    timers_.erase(timers_.begin());
    work();
  }
}

// One by one, so that what throws does not take those behind it along.
void EventLoop::run_posted() {
  size_t due = 0;
  {
    MutexLock lock(mutex_);
    due = posted_.size();
  }
  for (; due > 0; --due) {
    Work work;
    {
      MutexLock lock(mutex_);
      work = std::move(posted_.front());
      posted_.pop_front();
    }
    work();
  }
}

void EventLoop::run() {
  post([] {});  // work may be left over from a run that something thrown has ended
  epoll_event events[kEventsPerWait];
  while (running_) {
    int count = ::epoll_wait(epoll_.get(), events, kEventsPerWait, next_timeout_ms());
    for (int i = 0; i < count; ++i) {
      // Looked up each time: an earlier callback of this round may have unwatched the fd. The copy
      // keeps a callback alive that unwatches itself.
      auto found = watches_.find(events[i].data.fd);
      if (found == watches_.end()) continue;
      std::shared_ptr<Callback> callback = found->second;
      (*callback)(events[i].events);
    }
    run_due_timers();
    run_posted();
  }
}

}  // namespace bartizan
