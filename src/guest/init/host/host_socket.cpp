#include "guest/init/host/host_socket.hpp"

#include <sys/socket.h>
#include <sys/time.h>

// After sys/socket.h, which it needs.
#include <linux/vm_sockets.h>

#include "base/errors.hpp"

namespace bartizan::guest::init::host {
namespace {

// A host that accepts and then sends nothing would hold the guest forever. Generous for an emulated
// host.
constexpr time_t kTimeoutSeconds = 60;

// One recv, EINTR handled; 0 at the peer's close.
Result<size_t> receive_some(int socket, std::span<uint8_t> to, std::string_view what) {
  for (;;) {
    ssize_t count = ::recv(socket, to.data(), to.size(), 0);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return make_error(ErrorCode::timed_out, "guest/vsock", "{}: the host sent nothing for {} s",
                        what, kTimeoutSeconds);
    }
    return errno_error(errno, "guest/vsock", fmt::format("{}: recv", what));
  }
}

}  // namespace

Result<UniqueFd> connect_to_host(uint32_t port) {
  UniqueFd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_error(errno, "guest/vsock", "socket");
  const timeval limit{kTimeoutSeconds, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof limit);
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_HOST;
  address.svm_port = port;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, "guest/vsock", fmt::format("connect to host port {}", port));
  }
  return socket;
}

Result<void> receive(int socket, std::span<uint8_t> to, std::string_view what) {
  while (!to.empty()) {
    size_t count = TRY(receive_some(socket, to, what));
    if (count == 0) {
      return make_error(ErrorCode::protocol, "guest/vsock", "{}: the host closed, {} bytes missing",
                        what, to.size());
    }
    to = to.subspan(count);
  }
  return {};
}

Result<Bytes> receive_block(int socket, uint32_t limit, std::string_view what) {
  uint8_t length[4];
  TRY(receive(socket, length, what));
  const auto size = load_le<uint32_t>(length);
  if (size > limit) {
    return make_error(ErrorCode::protocol, "guest/vsock", "{}: {} bytes, the limit is {}", what,
                      size, limit);
  }
  Bytes block(size);
  TRY(receive(socket, block, what));
  return block;
}

Result<SecretBytes> receive_secret(int socket, size_t limit, std::string_view what) {
  SecretBytes buffer(limit + 1);
  size_t total = 0;
  for (;;) {
    size_t count = TRY(receive_some(socket, buffer.mutable_bytes().subspan(total), what));
    if (count == 0) break;
    total += count;
    if (total > limit) {
      return make_error(ErrorCode::protocol, "guest/vsock", "{}: more than {} bytes", what, limit);
    }
  }
  if (total == 0) return make_error(ErrorCode::protocol, "guest/vsock", "{}: nothing came", what);
  return SecretBytes(buffer.bytes().first(total));
}

}  // namespace bartizan::guest::init::host
