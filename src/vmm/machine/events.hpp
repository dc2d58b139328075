// Events: what has happened to a guest, for those who wait for it by descriptor, call or callback.
//
// Each event happens at most once, and `exited` is the last. The descriptor counts the events that
// nobody has taken yet.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>

#include "bartizan/machine.hpp"
#include "base/mutex.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::vmm::machine {

class Events {
 public:
  static Result<std::unique_ptr<Events>> create(EventSink sink);

  // One thread; a repetition counts for nothing. The sink is called last, and what it throws goes
  // on to the caller.
  void happened(MachineEvent event);

  int fd() const { return fd_.get(); }
  std::optional<MachineEvent> next();  // any thread
  bool has(MachineEvent event) const;  // any thread
  // Until it has happened, or can not happen any more, or the limit has passed. Any thread.
  void wait_for(MachineEvent event, std::optional<std::chrono::milliseconds> limit);

 private:
  Events(UniqueFd fd, EventSink sink) : fd_(std::move(fd)), sink_(std::move(sink)) {}
  bool settled(MachineEvent event) const BARTIZAN_REQUIRES(mutex_);

  const UniqueFd fd_;
  const EventSink sink_;
  mutable Mutex mutex_;
  Condition changed_;
  std::array<bool, 3> happened_ BARTIZAN_GUARDED_BY(mutex_){};
  std::deque<MachineEvent> waiting_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::machine
