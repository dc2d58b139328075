#include "vmm/machine/workload_input.hpp"

#include <sys/epoll.h>

#include <cerrno>

#include "base/errors.hpp"
#include "vmm/machine/stream_pair.hpp"

namespace bartizan::vmm::machine {
namespace {

// A file is always ready: other work of the loop has its turn in between.
constexpr int kPiecesPerTurn = 16;

}  // namespace

UniqueFd WorkloadInput::take_terminal() {
  return is_terminal() ? std::move(fd_) : UniqueFd();
}

Result<UniqueFd> WorkloadInput::open() {
  auto [ours, guests] = TRY(make_stream_pair());
  if (!fd_.valid()) return std::move(guests);  // ours closes: the end
  pump_ = Pump(std::move(fd_), std::move(ours));
  carry();
  return std::move(guests);
}

void WorkloadInput::carry() {
  for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
    if (watch(pump_.wanted())) return;
    pump_.step();
  }
  loop_.post([this] { carry(); });
}

bool WorkloadInput::watch(pollfd wanted) {
  if (watched_ >= 0) loop_.unwatch(watched_);
  watched_ = -1;
  if (wanted.fd < 0) return true;
  auto ready = [this](uint32_t) {
    // before the pump closes it: a copy that the caller holds would keep it watched
    watch({-1, 0, 0});
    pump_.step();
    carry();
  };
  auto watching = loop_.watch(wanted.fd, wanted.events == POLLIN ? EPOLLIN : EPOLLOUT, ready);
  if (watching.ok()) {
    watched_ = wanted.fd;
  } else if (watching.error().os_errno == EPERM) {
    return false;
  } else {
    pump_ = {};  // no memory for one more watch: the workload sees the end
  }
  return true;
}

}  // namespace bartizan::vmm::machine
