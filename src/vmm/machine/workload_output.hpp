// Output: the workload's bytes on their way to the caller's descriptor. Loop's thread.
//
// A reader that stops reading must not stop the guest's devices, nor keep us from stopping the
// guest: after a second without component, bytes are dropped (and counted) until there is component
// again.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::vmm::machine {

class WorkloadOutput {
 public:
  explicit WorkloadOutput(UniqueFd fd) : fd_(std::move(fd)) {}  // invalid: everything is dropped
  void write(ByteView bytes);
  uint64_t dropped() const { return dropped_; }

 private:
  bool wait_for_room();
  UniqueFd fd_;
  bool stalled_ = false;
  uint64_t dropped_ = 0;
};

}  // namespace bartizan::vmm::machine
