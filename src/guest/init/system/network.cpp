#include "guest/init/system/network.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <cstring>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/system/mounts.hpp"

namespace bartizan::guest::init::system {
namespace {

constexpr const char* kInterface = "eth0";
constexpr const char* kAddress = "10.0.2.15";
constexpr const char* kMask = "255.255.255.0";
constexpr const char* kGateway = "10.0.2.2";
constexpr int kWaits = 200;  // of 10 ms, for the driver's probe
constexpr long kWaitNanoseconds = 10'000'000;

Result<UniqueFd> control_socket() {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_error(errno, "guest/init/system/network", "socket");
  return socket;
}

ifreq request_for(const char* interface) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  return request;
}

void set_address(sockaddr* to, const char* text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, text, &address.sin_addr);
  std::memcpy(to, &address, sizeof address);
}

Result<void> bring_up(int socket, const char* interface) {
  ifreq request = request_for(interface);
  if (::ioctl(socket, SIOCGIFFLAGS, &request) != 0) {
    return errno_error(errno, "guest/init/system/network",
                       fmt::format("{}: read flags", interface));
  }
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket, SIOCSIFFLAGS, &request) != 0) {
    return errno_error(errno, "guest/init/system/network", fmt::format("{}: bring up", interface));
  }
  return {};
}

Result<void> wait_for(int socket, const char* interface) {
  for (int i = 0; i < kWaits; ++i) {
    ifreq request = request_for(interface);
    if (::ioctl(socket, SIOCGIFINDEX, &request) == 0) return {};
    const timespec moment{0, kWaitNanoseconds};
    ::nanosleep(&moment, nullptr);
  }
  return make_error(ErrorCode::not_found, "guest/init/system/network", "{}: no such interface",
                    interface);
}

Result<void> set_one(int socket, unsigned long operation, const char* value,
                     std::string_view what) {
  ifreq request = request_for(kInterface);
  set_address(&request.ifr_addr, value);
  if (::ioctl(socket, operation, &request) != 0) {
    return errno_error(errno, "guest/init/system/network",
                       fmt::format("{}: {} {}", kInterface, what, value));
  }
  return {};
}

Result<void> add_default_route(int socket) {
  rtentry route{};
  set_address(&route.rt_dst, "0.0.0.0");
  set_address(&route.rt_genmask, "0.0.0.0");
  set_address(&route.rt_gateway, kGateway);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  if (::ioctl(socket, SIOCADDRT, &route) != 0) {
    return errno_error(errno, "guest/init/system/network",
                       fmt::format("default route by {}", kGateway));
  }
  return {};
}

}  // namespace

Result<void> bring_up_loopback() {
  UniqueFd socket = TRY(control_socket());
  return bring_up(socket.get(), "lo");
}

Result<void> bring_up_network() {
  UniqueFd socket = TRY(control_socket());
  TRY(wait_for(socket.get(), kInterface));
  TRY(set_one(socket.get(), SIOCSIFADDR, kAddress, "address"));
  TRY(set_one(socket.get(), SIOCSIFNETMASK, kMask, "mask"));
  TRY(bring_up(socket.get(), kInterface));
  TRY(add_default_route(socket.get()));
  TRY(make_folder("/etc"));
  return write_file("/etc/resolv.conf", as_bytes(kResolvConf));
}

}  // namespace bartizan::guest::init::system
