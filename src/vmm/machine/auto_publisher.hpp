// AutoPublisher: what the workload listens on is published at an address of the host under the same
// number, as a container's ports are. Loop's thread. docs/reference/guest-abi.md, "Network".
//
// The guest says which; it gets a bounded number at a time, and is heard a bounded number of times
// a second. What it sends beyond that waits in its own buffers.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bartizan/log.hpp"
#include "bartizan/machine.hpp"
#include "base/event_loop.hpp"
#include "vmm/virtio/net/device.hpp"
#include "vmm/virtio/vsock/device.hpp"

namespace bartizan::vmm::machine {

struct AutoPublisherOptions {
  std::string host_address;  // "::": all of IPv6, and of IPv4, as for a socket of both
  std::set<uint16_t> taken;  // guest ports that the caller publishes itself
  LogSink log;
  std::function<void()> changed;  // `net` publishes others than before
};

class AutoPublisher {
 public:
  AutoPublisher(EventLoop& loop, std::shared_ptr<virtio::NetDevice> net,
                AutoPublisherOptions options)
      : loop_(loop), net_(std::move(net)), options_(std::move(options)) {}
  AutoPublisher(const AutoPublisher&) = delete;
  AutoPublisher& operator=(const AutoPublisher&) = delete;
  ~AutoPublisher();

  // For VsockOptions::ports. It has one reporter, the first.
  Result<UniqueFd> open();

 private:
  void watch();
  void unwatch();
  void on_news();
  void take(bool listening, uint16_t port);
  void publish(uint16_t port);
  Result<std::vector<virtio::PortForward>> publish_everywhere(uint16_t port);
  void report(uint16_t port, const Error& error);

  EventLoop& loop_;
  std::shared_ptr<virtio::NetDevice> net_;
  AutoPublisherOptions options_;
  UniqueFd guest_;
  std::vector<uint8_t> held_;  // the beginning of a message
  std::map<uint16_t, std::vector<virtio::PortForward>> published_;
  std::set<uint16_t> failed_;  // that the log has heard of
  uint64_t timer_ = 0;
  uint32_t heard_ = 0;  // in this second
  bool given_ = false;
};

}  // namespace bartizan::vmm::machine
