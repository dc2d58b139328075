// The two ends of a stream between a service of ours and the guest: for VsockOptions::ports.
#pragma once

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::vmm::machine {

struct StreamPair {
  UniqueFd ours, guests;
};

Result<StreamPair> make_stream_pair();  // neither end blocks

}  // namespace bartizan::vmm::machine
