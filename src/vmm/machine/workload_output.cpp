#include "vmm/machine/workload_output.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bartizan::vmm::machine {
namespace {

constexpr int kPatienceMs = 1000;
// PIPE_BUF: a pipe that polls writable takes this much without blocking
constexpr size_t kAtOnce = 4096;

}  // namespace

bool WorkloadOutput::wait_for_room() {
  pollfd wish{fd_.get(), POLLOUT, 0};
  int ready = ::poll(&wish, 1, stalled_ ? 0 : kPatienceMs);
  stalled_ = ready <= 0;
  return !stalled_ && (wish.revents & POLLOUT) != 0;
}

void WorkloadOutput::write(ByteView bytes) {
  while (fd_.valid() && !bytes.empty() && wait_for_room()) {
    ssize_t put = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kAtOnce));
    if (put < 0 && errno != EINTR && errno != EAGAIN) break;
    if (put > 0) bytes = bytes.subspan(static_cast<size_t>(put));
  }
  dropped_ += bytes.size();
}

}  // namespace bartizan::vmm::machine
