// libslirp behind one interface: frames in, frames out, everything on the event loop's thread.
//
// Network 10.0.2.0/24: guest 10.0.2.15, gateway and host's loopback 10.0.2.2, DNS 10.0.2.3. IPv4
// only; no DHCP, no TFTP, no IPv6, no NC-SI: what the guest does not need is not reachable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/event_loop.hpp"

struct Slirp;
struct pollfd;

namespace bartizan::vmm::virtio {

struct PortForward {
  std::string host_address = "127.0.0.1";
  uint16_t host_port = 0;  // 0: chosen by the system
  uint16_t guest_port = 0;
};

// While it lives a write to a closed socket does not raise SIGPIPE on this thread: libslirp sends
// without MSG_NOSIGNAL, and a guest that closes its connections at the right moment would kill the
// process.
class QuietPipe {
 public:
  QuietPipe();
  QuietPipe(const QuietPipe&) = delete;
  QuietPipe& operator=(const QuietPipe&) = delete;
  ~QuietPipe();

 private:
  bool was_blocked_;
};

class SlirpNetwork {
 public:
  // A frame for the guest, and the end of a round of them: on the loop's thread.
  struct Guest {
    std::function<void(ByteView frame)> frame;
    std::function<void()> round_done;
  };

  // `isolated`: the guest reaches nothing outside; published ports still work.
  static Result<std::unique_ptr<SlirpNetwork>> create(EventLoop& loop, Guest guest,
                                                      bool isolated = false);
  SlirpNetwork(const SlirpNetwork&) = delete;
  SlirpNetwork& operator=(const SlirpNetwork&) = delete;
  ~SlirpNetwork();

  Result<void> publish(const PortForward& forward);
  const std::vector<PortForward>& published() const { return published_; }

  // A frame from the guest, under a QuietPipe. After some of them: settle().
  void input(ByteView frame);
  void settle();  // looks again at which descriptors and timeouts libslirp waits for

 private:
  struct Timer;
  struct Callbacks;
  SlirpNetwork(EventLoop& loop, Guest guest) : loop_(loop), guest_(std::move(guest)) {}
  std::vector<pollfd> wanted_descriptors(uint32_t* timeout_ms);
  uint16_t newest_listener_port(const std::vector<pollfd>& before);
  bool may_pass(ByteView frame) const;
  void watch_wanted(const std::vector<pollfd>& wanted);
  void forget(int fd);
  void turn();

  EventLoop& loop_;
  Guest guest_;
  Slirp* slirp_ = nullptr;
  std::vector<PortForward> published_;
  std::map<int, uint32_t> watched_;  // descriptor -> epoll events
  uint64_t timeout_timer_ = 0;       // EventLoop timer of libslirp's next timeout, or 0
};

}  // namespace bartizan::vmm::virtio
