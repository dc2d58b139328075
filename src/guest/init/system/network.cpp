#include "guest/init/system/network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/system/mounts.hpp"
#include "guest_abi/network.hpp"

namespace bartizan::guest::init::system {
namespace {

constexpr const char* kInterface = "eth0";
constexpr const char* kSettings6 = "/proc/sys/net/ipv6/conf/eth0/";
constexpr const char* kOneAddress = "255.255.255.255";  // as a mask
constexpr int kWaits = 200;                             // of 10 ms, for the driver's probe
constexpr long kWaitNanoseconds = 10'000'000;

Result<UniqueFd> control_socket(int family = AF_INET) {
  UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
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

Result<void> add_route(int socket, rtentry route, const char* what) {
  if (::ioctl(socket, SIOCADDRT, &route) == 0) return {};
  return errno_error(errno, "guest/init/system/network",
                     fmt::format("{} {}", what, guest_abi::kGatewayAddress));
}

// The gateway is this network's only neighbour. Who else has an address in it is outside: podman
// gives containers the same network, and they connect from there.
Result<void> add_routes(int socket) {
  char interface[] = "eth0";
  rtentry neighbour{};
  set_address(&neighbour.rt_dst, guest_abi::kGatewayAddress);
  set_address(&neighbour.rt_genmask, kOneAddress);
  neighbour.rt_dev = interface;
  neighbour.rt_flags = RTF_UP | RTF_HOST;
  TRY(add_route(socket, neighbour, "route to"));
  rtentry all{};
  set_address(&all.rt_dst, "0.0.0.0");
  set_address(&all.rt_genmask, "0.0.0.0");
  set_address(&all.rt_gateway, guest_abi::kGatewayAddress);
  all.rt_flags = RTF_UP | RTF_GATEWAY;
  return add_route(socket, all, "default route by");
}

// struct in6_ifreq of linux/ipv6.h, which cannot be included beside the C library's headers.
struct AddressRequest6 {
  in6_addr address;
  uint32_t prefix;
  int interface;
};

// No address but ours, and that one at once: nobody else is on this network who could have it.
Result<void> set_settings6() {
  for (const char* off : {"accept_ra", "autoconf", "accept_dad", "accept_redirects"}) {
    const std::string path = std::string(kSettings6) + off;
    UniqueFd file = TRY(open_file(path, O_WRONLY));
    TRY(write_all(file.get(), as_bytes("0"), path));
  }
  return {};
}

Result<void> set_address6(int socket, int interface) {
  AddressRequest6 request{{}, guest_abi::kNetworkPrefix6, interface};
  ::inet_pton(AF_INET6, guest_abi::kGuestAddress6, &request.address);
  if (::ioctl(socket, SIOCSIFADDR, &request) != 0) {
    return errno_error(errno, "guest/init/system/network",
                       fmt::format("{}: address {}", kInterface, guest_abi::kGuestAddress6));
  }
  return {};
}

Result<void> add_default_route6(int socket, int interface) {
  in6_rtmsg route{};
  ::inet_pton(AF_INET6, guest_abi::kGatewayAddress6, &route.rtmsg_gateway);
  route.rtmsg_flags = RTF_UP | RTF_GATEWAY;
  route.rtmsg_metric = 1;
  route.rtmsg_ifindex = interface;
  if (::ioctl(socket, SIOCADDRT, &route) != 0) {
    return errno_error(errno, "guest/init/system/network",
                       fmt::format("default route by {}", guest_abi::kGatewayAddress6));
  }
  return {};
}

Result<void> bring_up_network6() {
  if (::access(kSettings6, F_OK) != 0) return {};  // a kernel without IPv6
  UniqueFd socket = TRY(control_socket(AF_INET6));
  const auto interface = static_cast<int>(::if_nametoindex(kInterface));
  TRY(set_address6(socket.get(), interface));
  return add_default_route6(socket.get(), interface);
}

}  // namespace

Result<void> bring_up_loopback() {
  UniqueFd socket = TRY(control_socket());
  return bring_up(socket.get(), "lo");
}

Result<void> bring_up_network() {
  UniqueFd socket = TRY(control_socket());
  TRY(wait_for(socket.get(), kInterface));
  TRY(set_one(socket.get(), SIOCSIFADDR, guest_abi::kGuestAddress, "address"));
  TRY(set_one(socket.get(), SIOCSIFNETMASK, kOneAddress, "mask"));
  if (::access(kSettings6, F_OK) == 0) TRY(set_settings6());
  TRY(bring_up(socket.get(), kInterface));
  TRY(add_routes(socket.get()));
  TRY(bring_up_network6());
  TRY(make_folder("/etc"));
  return write_file("/etc/resolv.conf", as_bytes(kResolvConf));
}

}  // namespace bartizan::guest::init::system
