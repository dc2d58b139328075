#include "vmm/machine/loop_pump.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

namespace bartizan::vmm::machine {
namespace {

// A file is always ready: other work of the loop has its turn in between.
constexpr int kPiecesPerTurn = 16;

// What a machine that ends may still have on the way: the buffers of a socket pair.
constexpr int kPiecesAtTheEnd = 64;

}  // namespace

void LoopPump::start(UniqueFd from, UniqueFd to, EventLoop::Work ended) {
  pump_ = Pump(std::move(from), std::move(to));
  ended_ = std::move(ended);
  carry();
}

void LoopPump::stop() {
  watch({-1, 0, 0});
  pump_ = {};
}

void LoopPump::carry() {
  for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
    if (watch(pump_.wanted())) return pump_.ended() ? tell_ended() : void();
    pump_.step();
  }
  loop_.post([this] { carry(); });
}

void LoopPump::tell_ended() {
  if (auto ended = std::exchange(ended_, {})) ended();
}

bool LoopPump::watch(pollfd wanted) {
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
    pump_ = {};  // no memory for one more watch: the stream ends
  }
  return true;
}

void LoopPump::flush() {
  for (int piece = 0; piece < kPiecesAtTheEnd && !pump_.ended(); ++piece) {
    pollfd wanted = pump_.wanted();
    if (::poll(&wanted, 1, 0) <= 0) return;
    watch({-1, 0, 0});
    pump_.step();
  }
}

}  // namespace bartizan::vmm::machine
