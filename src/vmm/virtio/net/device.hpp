// virtio-net (virtio 1.2 §5.1) on a user-mode network (slirp_network.hpp): no tap device, no
// privileges.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "vmm/virtio/device.hpp"
#include "vmm/virtio/net/slirp_network.hpp"

namespace bartizan::vmm::virtio {

constexpr std::array<uint8_t, 6> kGuestMac = {0x52, 0x54, 0x00, 0xba, 0x27, 0x1a};

struct NetOptions {
  std::vector<PortForward> publish;  // host port -> guest port
  NetworkPolicy policy = {};
};

class NetDevice : public Device {
 public:
  // Errors: already_exists ("127.0.0.1:8080" is in use), permission_denied (port below 1024),
  // invalid_argument (address), resource_exhausted.
  static Result<std::shared_ptr<NetDevice>> create(EventLoop& loop, NetOptions options);

  // In the order of NetOptions::publish, with the host ports that the system chose; later ones
  // last. Loop's thread.
  const std::vector<PortForward>& published() const { return network_->published(); }
  Result<void> publish(const PortForward& forward) { return network_->publish(forward); }
  void withdraw(const PortForward& published) { network_->withdraw(published); }

  DeviceType type() const override { return DeviceType::net; }
  std::vector<uint16_t> queue_sizes() const override;
  uint64_t features() const override;
  std::vector<uint8_t> config() const override;
  void activate(Queues& queues, uint64_t features) override;
  void notify(uint16_t index) override;
  void reset() override;

 private:
  NetDevice() = default;
  void transmit(const Chain& chain);
  void keep_for_guest(ByteView frame);
  void fill_guest();

  Queues* queues_ = nullptr;
  std::deque<Bytes> waiting_;  // frames that the guest has no buffers for yet
  Chain chain_;
  std::unique_ptr<SlirpNetwork> network_;  // last, so that it goes first: it calls the rest
};

}  // namespace bartizan::vmm::virtio
