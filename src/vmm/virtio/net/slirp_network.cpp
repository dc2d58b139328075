#include "vmm/virtio/net/slirp_network.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/blocked_signal.hpp"
#include "base/endpoint.hpp"
#include "base/errors.hpp"
#include "guest_abi/network.hpp"

namespace bartizan::vmm::virtio {
namespace {

// Every flow of the guest is a descriptor of this process and up to 256 KiB of its memory, for as
// long as the other side keeps it open. Above this many, or a quarter of the descriptors that the
// process may have, what could start another is refused: a guest that scans the world must not use
// up what the process's other work needs.
constexpr size_t kMaxFlows = 512, kMinFlows = 16;
constexpr size_t kFlowsShare = 4;

in_addr ipv4(const char* text) {
  in_addr address{};
  ::inet_pton(AF_INET, text, &address);
  return address;
}

in6_addr ipv6(const char* text) {
  in6_addr address{};
  ::inet_pton(AF_INET6, text, &address);
  return address;
}

// A socket's address of either family.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

std::optional<SocketAddress> socket_address(const std::string& address, uint16_t port) {
  SocketAddress result;
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    result.size = sizeof v4;
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    result.size = sizeof v6;
  } else {
    return std::nullopt;
  }
  return result;
}

int forward_flags(const PortForward& forward) {
  // an IPv6 address never means IPv4 too: 0.0.0.0 is published by itself
  return SLIRP_HOSTFWD_V6ONLY | (forward.udp ? SLIRP_HOSTFWD_UDP : 0);
}

int64_t now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// libslirp's flags have poll's meaning but their own values.
constexpr std::pair<int, short> kPollFlags[] = {{SLIRP_POLL_IN, POLLIN},
                                                {SLIRP_POLL_OUT, POLLOUT},
                                                {SLIRP_POLL_PRI, POLLPRI},
                                                {SLIRP_POLL_ERR, POLLERR},
                                                {SLIRP_POLL_HUP, POLLHUP}};

int add_poll(int fd, int events, void* opaque) {
  auto& wanted = *static_cast<std::vector<pollfd>*>(opaque);
  short mask = 0;
  for (auto [ours, theirs] : kPollFlags)
    mask = static_cast<short>(mask | (events & ours ? theirs : 0));
  wanted.push_back({fd, mask, 0});
  return static_cast<int>(wanted.size()) - 1;
}

int get_events(int index, void* opaque) {
  const auto& seen = *static_cast<std::vector<pollfd>*>(opaque);
  if (index < 0 || static_cast<size_t>(index) >= seen.size()) return 0;
  int mask = 0;
  for (auto [ours, theirs] : kPollFlags) mask |= seen[index].revents & theirs ? ours : 0;
  return mask;
}

}  // namespace

struct SlirpNetwork::Timer {
  SlirpNetwork* network;
  SlirpTimerId id;
  void* argument;
  uint64_t armed = 0;  // EventLoop's timer, or 0
};

// What libslirp calls; `opaque` is the SlirpNetwork.
struct SlirpNetwork::Callbacks {
  static SlirpNetwork* self(void* opaque) { return static_cast<SlirpNetwork*>(opaque); }
  static ssize_t send_packet(const void* frame, size_t size, void* opaque) {
    const ByteView bytes(static_cast<const uint8_t*>(frame), size);
    self(opaque)->egress_.heard(bytes);
    self(opaque)->guest_.frame(bytes);
    return static_cast<ssize_t>(size);
  }
  static void guest_error(const char*, void*) {}  // a guest may err as it likes
  static int64_t clock_ns(void*) { return now_ns(); }
  static void* timer_new(SlirpTimerId id, void* argument, void* opaque) {
    return std::make_unique<Timer>(Timer{self(opaque), id, argument}).release();
  }
  static void timer_free(void* timer, void* opaque) {
    std::unique_ptr<Timer> owned(static_cast<Timer*>(timer));
    if (owned && owned->armed) self(opaque)->loop_.cancel_timer(owned->armed);
  }
  static void timer_mod(void* timer, int64_t expire_ms, void* opaque) {
    auto* target = static_cast<Timer*>(timer);
    EventLoop& loop = self(opaque)->loop_;
    if (target->armed) loop.cancel_timer(target->armed);
    target->armed =
        loop.call_after(std::max<int64_t>(0, expire_ms - now_ns() / 1'000'000), [target] {
          target->armed = 0;
          slirp_handle_timer(target->network->slirp_, target->id, target->argument);
        });
  }
  static void register_fd(int fd, void* opaque) { self(opaque)->flows_.insert(fd); }
  static void unregister_fd(int fd, void* opaque) {
    self(opaque)->flows_.erase(fd);
    self(opaque)->forget(fd);
  }
  static void notify(void*) {}  // we always look again: settle()

  static const SlirpCb table;
};

const SlirpCb SlirpNetwork::Callbacks::table = {.send_packet = send_packet,
                                                .guest_error = guest_error,
                                                .clock_get_ns = clock_ns,
                                                .timer_free = timer_free,
                                                .timer_mod = timer_mod,
                                                .register_poll_fd = register_fd,
                                                .unregister_poll_fd = unregister_fd,
                                                .notify = notify,
                                                .timer_new_opaque = timer_new};

Result<std::unique_ptr<SlirpNetwork>> SlirpNetwork::create(EventLoop& loop, Guest guest,
                                                           NetworkPolicy policy) {
  SlirpConfig config{};
  config.version = 4;
  config.restricted = policy.isolated;
  config.in_enabled = config.in6_enabled = true;
  config.vnetwork = ipv4(guest_abi::kNetwork);
  config.vnetmask = ipv4(guest_abi::kNetworkMask);
  config.vhost = ipv4(guest_abi::kGatewayAddress);
  config.vdhcp_start = ipv4(guest_abi::kGuestAddress);
  config.vnameserver = ipv4(guest_abi::kNameServerAddress);
  config.vprefix_addr6 = ipv6(guest_abi::kNetwork6);
  config.vprefix_len = guest_abi::kNetworkPrefix6;
  config.vhost6 = ipv6(guest_abi::kGatewayAddress6);
  config.vnameserver6 = ipv6(guest_abi::kNameServerAddress6);
  config.disable_dhcp = true;
  std::unique_ptr<SlirpNetwork> network(
      new SlirpNetwork(loop, std::move(guest), std::move(policy)));
  network->slirp_ = slirp_new(&config, &Callbacks::table, network.get());
  if (!network->slirp_)
    return make_error(ErrorCode::internal, "virtio/net", "slirp_new refused its configuration");
  network->settle();
  return network;
}

SlirpNetwork::~SlirpNetwork() {
  if (timeout_timer_ != 0) loop_.cancel_timer(timeout_timer_);
  if (slirp_) slirp_cleanup(slirp_);
  for (auto [fd, events] : watched_) loop_.unwatch(fd);
}

Result<void> SlirpNetwork::publish(const PortForward& forward) {
  auto host = socket_address(forward.host_address, forward.host_port);
  if (!host || forward.guest_port == 0) {
    return make_error(ErrorCode::invalid_argument, "virtio/net",
                      "publish {} to guest port {}: not a port at an IP address",
                      address_text(forward.host_address, forward.host_port), forward.guest_port);
  }
  const bool v4 = host->storage.ss_family == AF_INET;
  auto guest =
      socket_address(v4 ? guest_abi::kGuestAddress : guest_abi::kGuestAddress6, forward.guest_port);
  uint32_t timeout;
  std::vector<pollfd> before = wanted_descriptors(&timeout);
  if (slirp_add_hostxfwd(slirp_, host->get(), host->size, guest->get(), guest->size,
                         forward_flags(forward)) != 0) {
    int error = errno;
    std::string name = address_text(forward.host_address, forward.host_port);
    if (error == EADDRINUSE)
      return make_error(ErrorCode::already_exists, "virtio/net", "{} is in use", name);
    return errno_error(error, "virtio/net", name + ": listen");
  }
  published_.push_back(forward);
  if (forward.udp) egress_.publish_datagrams(forward.guest_port);
  if (forward.host_port == 0) published_.back().host_port = newest_listener_port(before);
  settle();
  return {};
}

void SlirpNetwork::withdraw(const PortForward& published) {
  auto host = socket_address(published.host_address, published.host_port);
  if (!host || std::erase(published_, published) == 0) return;
  if (published.udp) egress_.withdraw_datagrams(published.guest_port);
  slirp_remove_hostxfwd(slirp_, host->get(), host->size, forward_flags(published));
  settle();
}

// libslirp does not report which port it got; the socket that is new among those it waits for does.
uint16_t SlirpNetwork::newest_listener_port(const std::vector<pollfd>& before) {
  uint32_t timeout;
  for (const pollfd& now : wanted_descriptors(&timeout)) {
    bool known = std::any_of(before.begin(), before.end(),
                             [&](const pollfd& old) { return old.fd == now.fd; });
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (known || ::getsockname(now.fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) continue;
    if (name.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(name).sin_port);
    if (name.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(name).sin6_port);
  }
  return 0;
}

bool SlirpNetwork::may_pass(ByteView frame) {
  Verdict verdict = egress_.judge(frame);
  if (verdict.kind == Verdict::Kind::refuse) refuse(frame, verdict);
  if (verdict.fragment) report_fragment();
  if (verdict.kind != Verdict::Kind::pass) return false;
  return !verdict.opens_flow || has_room(frame);
}

// Any packet of a datagram's flow may open it, for libslirp forgets those that rest.
bool SlirpNetwork::has_room(ByteView frame) {
  if (flows_.size() < max_flows_) return true;
  guest_.frame(refusal_of(frame));
  if (log_ && !std::exchange(full_reported_, true)) {
    log_(LogLevel::warning,
         fmt::format("the guest's network has {} connections open, its limit: more are refused "
                     "until some end (not reported again)",
                     flows_.size()));
  }
  return false;
}

size_t SlirpNetwork::flow_limit() {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return kMinFlows;
  return std::clamp<size_t>(descriptors.rlim_cur / kFlowsShare, kMinFlows, kMaxFlows);
}

// The guest's connect fails at once, and the log names the way; once, for the guest chooses how
// often.
void SlirpNetwork::refuse(ByteView frame, const Verdict& verdict) {
  guest_.frame(refusal_of(frame));
  if (!verdict.reserved || !reported_.insert(*verdict.reserved).second || !log_) return;
  const bool loopback = *verdict.reserved == Reserved::loopback;
  log_(LogLevel::warning,
       fmt::format("the guest may not reach {}, {}: allow \"{}\" if it is to (further refusals "
                   "are not reported)",
                   verdict.destination,
                   loopback ? "the host's loopback" : "link-local or a metadata service",
                   loopback ? "loopback" : "metadata"));
}

void SlirpNetwork::report_fragment() {
  if (!log_ || std::exchange(fragment_reported_, true)) return;
  log_(LogLevel::warning,
       "the guest sent a fragment of an IP datagram: they are dropped, so that datagrams above "
       "1,472 bytes are lost (not reported again)");
}

void SlirpNetwork::input(ByteView frame) {
  if (!may_pass(frame)) return;
  slirp_input(slirp_, frame.data(), static_cast<int>(frame.size()));
  answered_ = answered_ || Egress::is_neighbour_message(frame);
}

std::vector<pollfd> SlirpNetwork::wanted_descriptors(uint32_t* timeout_ms) {
  std::vector<pollfd> wanted;
  *timeout_ms = UINT32_MAX;
  slirp_pollfds_fill(slirp_, timeout_ms, add_poll, &wanted);
  return wanted;
}

// libslirp keeps a packet while it asks for the guest's MAC, and looks at it again in its half of a
// poll loop only.
void SlirpNetwork::settle() {
  if (std::exchange(answered_, false)) serve_descriptors();
  uint32_t timeout;
  watch_wanted(wanted_descriptors(&timeout));
  if (timeout_timer_ != 0) loop_.cancel_timer(std::exchange(timeout_timer_, 0));
  if (timeout == UINT32_MAX) return;
  timeout_timer_ = loop_.call_after(timeout, [this] {
    timeout_timer_ = 0;
    turn();
  });
}

// poll's bits and epoll's are the same numbers on Linux.
void SlirpNetwork::watch_wanted(const std::vector<pollfd>& wanted) {
  std::map<int, uint32_t> next;
  for (const pollfd& entry : wanted) next[entry.fd] |= static_cast<uint16_t>(entry.events);
  for (auto [fd, events] : std::map(watched_)) {
    if (!next.contains(fd)) forget(fd);
  }
  for (auto [fd, events] : next) {
    auto known = watched_.find(fd);
    if (known != watched_.end() && known->second == events) continue;
    if (loop_.watch(fd, events, [this](uint32_t) { turn(); }).ok()) watched_[fd] = events;
  }
}

// Before the number can name another descriptor.
void SlirpNetwork::forget(int fd) {
  if (watched_.erase(fd) != 0) loop_.unwatch(fd);
}

// libslirp's half of a poll loop: everything that it waits for is asked at once, whatever woke us.
void SlirpNetwork::serve_descriptors() {
  uint32_t timeout;
  std::vector<pollfd> wanted = wanted_descriptors(&timeout);
  int count = ::poll(wanted.data(), wanted.size(), 0);
  slirp_pollfds_poll(slirp_, count < 0, get_events, &wanted);
}

void SlirpNetwork::turn() {
  BlockedSignal quiet(SIGPIPE);
  serve_descriptors();
  settle();
  guest_.round_done();
}

}  // namespace bartizan::vmm::virtio
