#include "attest/https/listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/errors.hpp"

namespace bartizan::attest::https {
namespace {

constexpr const char* kOrigin = "attest/https";
// They wait for microseconds unless the process cannot run.
constexpr int kBacklog = 4096;

struct FreeAddresses {
  void operator()(addrinfo* found) const { ::freeaddrinfo(found); }
};

Result<UniqueFd> bind_to(const addrinfo& address, const std::string& name) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error(errno, kOrigin, name + ": socket");
  int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) == 0 &&
      ::listen(fd.get(), kBacklog) == 0)
    return fd;
  Error error = errno_error(errno, kOrigin, name + ": listen");
  if (error.os_errno == EADDRINUSE) {
    error.code = ErrorCode::already_exists;
    error.message +=
        ": another program, perhaps another broker, listens there; choose another port";
  }
  return error;
}

}  // namespace

Result<UniqueFd> listen_at(const std::string& address, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  std::string name = fmt::format("{} port {}", address, port);
  if (int failure = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found))
    return invalid(kOrigin, "{}: {}", name, ::gai_strerror(failure));
  std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  return bind_to(*found, name);
}

uint16_t port_of(int listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&storage), &size);
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

}  // namespace bartizan::attest::https
