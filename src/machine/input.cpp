#include "machine/input.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hpp"

namespace bartizan::machine {
namespace {

// A file is always ready: other work of the loop has its turn in between.
constexpr int kPiecesPerTurn = 16;

}  // namespace

UniqueFd Input::take_terminal() {
  return is_terminal() ? std::move(fd_) : UniqueFd();
}

Result<UniqueFd> Input::open() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return errno_error(errno, "machine", "input: socketpair");
  UniqueFd ours(ends[0]), guests(ends[1]);
  if (!fd_.valid()) return guests;  // ours closes: the end
  pump_ = Pump(std::move(fd_), std::move(ours));
  carry();
  return guests;
}

void Input::carry() {
  watch({-1, 0, 0});  // before the pump closes it: a copy that the caller holds would keep it watched
  for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
    if (watch(pump_.wanted())) return;
    pump_.step();
  }
  loop_.post([this] { carry(); });
}

bool Input::watch(pollfd wanted) {
  if (watched_ >= 0) loop_.unwatch(watched_);
  watched_ = -1;
  if (wanted.fd < 0) return true;
  auto ready = [this](uint32_t) {
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

}  // namespace bartizan::machine
