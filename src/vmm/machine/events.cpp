#include "vmm/machine/events.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/errors.hpp"

namespace bartizan::vmm::machine {

Result<std::unique_ptr<Events>> Events::create(EventSink sink) {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
  if (!fd.valid()) return errno_error(errno, "machine", "eventfd");
  return std::unique_ptr<Events>(new Events(std::move(fd), std::move(sink)));
}

void Events::happened(MachineEvent event) {
  {
    MutexLock lock(mutex_);
    bool& before = happened_.at(static_cast<size_t>(event));
    if (std::exchange(before, true)) return;
    waiting_.push_back(event);
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t put = ::write(fd_.get(), &one, sizeof one);
  }
  changed_.notify_all();
  if (sink_) sink_(event);
}

std::optional<MachineEvent> Events::next() {
  MutexLock lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  uint64_t one = 0;
  [[maybe_unused]] ssize_t got = ::read(fd_.get(), &one, sizeof one);
  const MachineEvent event = waiting_.front();
  waiting_.pop_front();
  return event;
}

bool Events::has(MachineEvent event) const {
  MutexLock lock(mutex_);
  return happened_.at(static_cast<size_t>(event));
}

bool Events::settled(MachineEvent event) const {
  return happened_.at(static_cast<size_t>(event)) ||
         happened_.at(static_cast<size_t>(MachineEvent::exited));
}

void Events::wait_for(MachineEvent event, std::optional<std::chrono::milliseconds> limit) {
  MutexLock lock(mutex_);
  if (!limit) {
    while (!settled(event)) changed_.wait(lock);
    return;
  }
  const auto deadline = std::chrono::steady_clock::now() + *limit;
  while (!settled(event) && changed_.wait_until(lock, deadline)) {
  }
}

}  // namespace bartizan::vmm::machine
