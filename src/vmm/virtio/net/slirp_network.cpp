#include "vmm/virtio/net/slirp_network.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "base/errors.hpp"

namespace bartizan::vmm::virtio {
namespace {

// Every flow of the guest is a descriptor of this process. Above this many, packets that could
// start another are dropped; a guest that scans the world must not use up what the process's other
// VMs need.
constexpr size_t kMaxFlows = 512;

constexpr size_t kEthernetHeader = 14;
constexpr uint16_t kEtherIpv4 = 0x0800, kEtherArp = 0x0806;

in_addr ipv4(const char* text) {
  in_addr address{};
  ::inet_pton(AF_INET, text, &address);
  return address;
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
  for (auto [ours, theirs] : kPollFlags) mask |= events & ours ? theirs : 0;
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

sigset_t pipe_signal() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  return set;
}

}  // namespace

QuietPipe::QuietPipe() {
  sigset_t set = pipe_signal(), before;
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  was_blocked_ = ::sigismember(&before, SIGPIPE) == 1;
}

QuietPipe::~QuietPipe() {
  if (was_blocked_) return;
  sigset_t set = pipe_signal();
  timespec none{};
  ::sigtimedwait(&set, nullptr, &none);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

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
    self(opaque)->guest_.frame({static_cast<const uint8_t*>(frame), size});
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
  static void register_fd(int, void*) {}
  static void unregister_fd(int fd, void* opaque) { self(opaque)->forget(fd); }
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
                                                           bool isolated) {
  SlirpConfig config{};
  config.version = 4;
  config.restricted = isolated;
  config.in_enabled = true;
  config.vnetwork = ipv4("10.0.2.0");
  config.vnetmask = ipv4("255.255.255.0");
  config.vhost = ipv4("10.0.2.2");
  config.vdhcp_start = ipv4("10.0.2.15");  // also the guest of forwarded ports
  config.vnameserver = ipv4("10.0.2.3");
  config.disable_dhcp = true;
  std::unique_ptr<SlirpNetwork> network(new SlirpNetwork(loop, std::move(guest)));
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
  in_addr host{};
  if (::inet_pton(AF_INET, forward.host_address.c_str(), &host) != 1 || forward.guest_port == 0) {
    return make_error(ErrorCode::invalid_argument, "virtio/net",
                      "publish {}:{} to guest port {}: not a port at an IPv4 address",
                      forward.host_address, forward.host_port, forward.guest_port);
  }
  uint32_t timeout;
  std::vector<pollfd> before = wanted_descriptors(&timeout);
  if (slirp_add_hostfwd(slirp_, 0, host, forward.host_port, ipv4("10.0.2.15"),
                        forward.guest_port) != 0) {
    int error = errno;
    std::string name = fmt::format("{}:{}", forward.host_address, forward.host_port);
    if (error == EADDRINUSE)
      return make_error(ErrorCode::already_exists, "virtio/net", "{} is in use", name);
    return errno_error(error, "virtio/net", name + ": listen");
  }
  published_.push_back(forward);
  if (forward.host_port == 0) published_.back().host_port = newest_listener_port(before);
  settle();
  return {};
}

// libslirp does not report which port it got; the socket that is new among those it waits for does.
uint16_t SlirpNetwork::newest_listener_port(const std::vector<pollfd>& before) {
  uint32_t timeout;
  for (const pollfd& now : wanted_descriptors(&timeout)) {
    bool known = std::any_of(before.begin(), before.end(),
                             [&](const pollfd& old) { return old.fd == now.fd; });
    sockaddr_in name{};
    socklen_t size = sizeof name;
    if (known || ::getsockname(now.fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) continue;
    if (name.sin_family == AF_INET) return ntohs(name.sin_port);
  }
  return 0;
}

// ARP and IPv4 only, and nothing that may open a flow while there are too many: a TCP segment
// without ACK is a SYN or nonsense; UDP and ICMP have no other mark.
bool SlirpNetwork::may_pass(ByteView frame) const {
  if (frame.size() < kEthernetHeader) return false;
  uint16_t type = static_cast<uint16_t>(frame[12] << 8 | frame[13]);
  if (type == kEtherArp) return true;
  if (type != kEtherIpv4 || frame.size() < kEthernetHeader + 20) return false;
  if (watched_.size() < kMaxFlows) return true;
  size_t flags_at = kEthernetHeader + 4u * (frame[kEthernetHeader] & 0xf) + 13;
  bool tcp = frame[kEthernetHeader + 9] == IPPROTO_TCP;
  return tcp && flags_at < frame.size() && (frame[flags_at] & 0x10);
}

void SlirpNetwork::input(ByteView frame) {
  if (may_pass(frame)) slirp_input(slirp_, frame.data(), static_cast<int>(frame.size()));
}

std::vector<pollfd> SlirpNetwork::wanted_descriptors(uint32_t* timeout_ms) {
  std::vector<pollfd> wanted;
  *timeout_ms = UINT32_MAX;
  slirp_pollfds_fill(slirp_, timeout_ms, add_poll, &wanted);
  return wanted;
}

void SlirpNetwork::settle() {
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
void SlirpNetwork::turn() {
  QuietPipe quiet;
  uint32_t timeout;
  std::vector<pollfd> wanted = wanted_descriptors(&timeout);
  int count = ::poll(wanted.data(), wanted.size(), 0);
  slirp_pollfds_poll(slirp_, count < 0, get_events, &wanted);
  settle();
  guest_.round_done();
}

}  // namespace bartizan::vmm::virtio
