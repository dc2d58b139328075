// libslirp behind one interface: frames in, frames out, everything on the event loop's thread.
//
// Addresses: guest_abi/network.hpp. No DHCP, no TFTP, no NC-SI: what the guest does not need is not
// reachable, and of the host's side only what egress.hpp lets pass.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bartizan/log.hpp"
#include "base/bytes.hpp"
#include "base/event_loop.hpp"
#include "vmm/virtio/net/egress.hpp"

struct Slirp;
struct pollfd;

namespace bartizan::vmm::virtio {

struct PortForward {
  std::string host_address = "127.0.0.1";  // IPv4 or IPv6
  uint16_t host_port = 0;                  // 0: chosen by the system
  uint16_t guest_port = 0;
  bool udp = false;
  bool operator==(const PortForward&) const = default;
};

struct NetworkPolicy {
  bool isolated = false;  // the guest reaches nothing outside; published TCP ports still work
  std::vector<EgressRule> allow = {};
  LogSink log = {};  // hears of the first refusal of each kind
};

class SlirpNetwork {
 public:
  // A frame for the guest, and the end of a round of them: on the loop's thread.
  struct Guest {
    std::function<void(ByteView frame)> frame;
    std::function<void()> round_done;
  };

  static Result<std::unique_ptr<SlirpNetwork>> create(EventLoop& loop, Guest guest,
                                                      NetworkPolicy policy);
  SlirpNetwork(const SlirpNetwork&) = delete;
  SlirpNetwork& operator=(const SlirpNetwork&) = delete;
  ~SlirpNetwork();

  // Errors: already_exists (in use), permission_denied, invalid_argument, io.
  Result<void> publish(const PortForward& forward);
  void withdraw(const PortForward& published);  // connections that it has stay
  const std::vector<PortForward>& published() const { return published_; }

  // A frame from the guest, with SIGPIPE blocked: libslirp sends without MSG_NOSIGNAL, and a guest
  // that closes its connections at the right moment would end the process. After some: settle().
  void input(ByteView frame);
  void settle();  // looks again at which descriptors and timeouts libslirp waits for

 private:
  struct Timer;
  struct Callbacks;
  SlirpNetwork(EventLoop& loop, Guest guest, NetworkPolicy policy)
      : loop_(loop),
        guest_(std::move(guest)),
        egress_(std::move(policy.allow)),
        log_(std::move(policy.log)),
        max_flows_(flow_limit()) {}
  std::vector<pollfd> wanted_descriptors(uint32_t* timeout_ms);
  uint16_t newest_listener_port(const std::vector<pollfd>& before);
  static size_t flow_limit();
  bool may_pass(ByteView frame);
  bool has_room(ByteView frame);
  void refuse(ByteView frame, const Verdict& verdict);
  void report_fragment();
  void watch_wanted(const std::vector<pollfd>& wanted);
  void forget(int fd);
  void serve_descriptors();
  void turn();

  EventLoop& loop_;
  Guest guest_;
  Egress egress_;
  LogSink log_;
  size_t max_flows_;
  std::set<int> flows_;  // sockets that libslirp has open, waited for or not
  bool full_reported_ = false, fragment_reported_ = false;
  bool answered_ = false;        // the guest has told an address since libslirp last looked
  std::set<Reserved> reported_;  // refusals that the log has heard of
  Slirp* slirp_ = nullptr;
  std::vector<PortForward> published_;
  std::map<int, uint32_t> watched_;  // descriptor -> epoll events
  uint64_t timeout_timer_ = 0;       // EventLoop timer of libslirp's next timeout, or 0
};

}  // namespace bartizan::vmm::virtio
