// Input: the caller's descriptor on its way to the workload. Loop's thread.
//
// A terminal becomes the workload's terminal (console 1). Anything else is carried to the guest's
// port `input`, so that the workload sees its end as well; no descriptor is an input that has
// ended.
#pragma once

#include "bartizan/result.hpp"
#include "base/event_loop.hpp"
#include "base/pump.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::vmm::machine {

class WorkloadInput {
 public:
  WorkloadInput(EventLoop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}
  WorkloadInput(const WorkloadInput&) = delete;
  WorkloadInput& operator=(const WorkloadInput&) = delete;
  ~WorkloadInput() { watch({-1, 0, 0}); }

  bool is_terminal() const { return ::isatty(fd_.get()) == 1; }
  UniqueFd take_terminal();  // once; invalid if it is none

  // The guest's end of the stream, for VsockOptions::ports. A second one has ended.
  Result<UniqueFd> open();

 private:
  void carry();
  bool watch(pollfd wanted);  // false: it is always ready

  EventLoop& loop_;
  UniqueFd fd_;
  Pump pump_;
  int watched_ = -1;
};

}  // namespace bartizan::vmm::machine
