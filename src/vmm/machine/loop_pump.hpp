// LoopPump: a Pump that an event loop drives. Loop's thread.
#pragma once

#include "base/event_loop.hpp"
#include "base/pump.hpp"

namespace bartizan::vmm::machine {

class LoopPump {
 public:
  explicit LoopPump(EventLoop& loop) : loop_(loop) {}
  LoopPump(const LoopPump&) = delete;
  LoopPump& operator=(const LoopPump&) = delete;
  ~LoopPump() { stop(); }

  // Once. Carries until `from` ends, closes both, then calls `ended` (may be empty).
  void start(UniqueFd from, UniqueFd to, EventLoop::Work ended = {});
  void stop();

  int write_error() const { return pump_.write_error(); }

  // Carries what needs no waiting, on either side; for a machine that ends.
  void flush();

 private:
  void carry();
  void tell_ended();
  bool watch(pollfd wanted);  // false: it is always ready

  EventLoop& loop_;
  Pump pump_;
  EventLoop::Work ended_;
  int watched_ = -1;
};

}  // namespace bartizan::vmm::machine
