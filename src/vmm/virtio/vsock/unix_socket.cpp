// The host's ends of vsock streams: unix stream sockets.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/errors.hpp"
#include "vmm/virtio/vsock/device.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr int kBacklog = 16;
// before the next accept when the process has no descriptors left
constexpr uint64_t kPauseMs = 100;

Result<UniqueFd> stream_socket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return errno_error(errno, "virtio/vsock", "socket");
  return socket;
}

Result<sockaddr_un> socket_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.native().size() >= sizeof address.sun_path) {
    return make_error(ErrorCode::invalid_argument, "virtio/vsock",
                      "socket \"{}\": a name has 1 to {} bytes", path.native(),
                      sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

}  // namespace

Result<UniqueFd> connect_unix(const std::filesystem::path& path) {
  sockaddr_un address = TRY(socket_address(path));
  UniqueFd socket = TRY(stream_socket());
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, "virtio/vsock", path.native() + ": connect");
  }
  return socket;
}

Result<std::unique_ptr<VsockListener>> VsockListener::create(EventLoop& loop,
                                                             std::shared_ptr<VsockDevice> device,
                                                             uint32_t port,
                                                             std::filesystem::path path) {
  std::unique_ptr<VsockListener> listener(
      new VsockListener(loop, std::move(device), port, std::move(path)));
  TRY(listener->listen());
  return listener;
}

Result<void> VsockListener::listen() {
  sockaddr_un address = TRY(socket_address(path_));
  socket_ = TRY(stream_socket());
  if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EADDRINUSE) {
      return make_error(ErrorCode::already_exists, "virtio/vsock", "socket \"{}\" exists",
                        path_.native());
    }
    return errno_error(errno, "virtio/vsock", path_.native() + ": bind");
  }
  bound_ = true;
  if (::listen(socket_.get(), kBacklog) != 0)
    return errno_error(errno, "virtio/vsock", path_.native() + ": listen");
  return watch();
}

Result<void> VsockListener::watch() {
  return loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t) { on_connection(); });
}

VsockListener::~VsockListener() {
  if (pause_ != 0) loop_.cancel_timer(pause_);
  if (socket_.valid()) loop_.unwatch(socket_.get());
  if (bound_) ::unlink(path_.c_str());
}

void VsockListener::on_connection() {
  UniqueFd stream(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (stream.valid()) {
    (void)device_->connect_to_guest(port_,
                                    std::move(stream));  // refused: the peer sees its stream closed
    return;
  }
  if (errno != EMFILE && errno != ENFILE) return;
  loop_.unwatch(
      socket_.get());  // the connection stays in the backlog, and would wake us without end
  pause_ = loop_.call_after(kPauseMs, [this] {
    pause_ = 0;
    (void)watch();
  });
}

}  // namespace bartizan::vmm::virtio
