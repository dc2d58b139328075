// virtio-console (virtio 1.2 §5.3), one port, from the guest to us: the log of its kernel and init.
// What we send a guest goes by vsock; the receive queue, which the driver wants, stays untouched.
#pragma once

#include <functional>
#include <memory>

#include "vmm/virtio/device.hpp"

namespace bartizan::vmm::virtio {

class ConsoleDevice : public Device {
 public:
  // What the guest wrote, in pieces of at most 4096 bytes, on the event loop's thread. Must return
  // soon. Empty: dropped.
  using Output = std::function<void(ByteView)>;

  static std::shared_ptr<ConsoleDevice> create(Output output);

  DeviceType type() const override { return DeviceType::console; }
  std::vector<uint16_t> queue_sizes() const override;
  std::vector<uint8_t> config() const override;
  void activate(Queues& queues, uint64_t features) override { (void)features, queues_ = &queues; }
  void notify(uint16_t index) override;
  void reset() override { queues_ = nullptr; }

 private:
  explicit ConsoleDevice(Output output) : output_(std::move(output)) {}
  uint32_t transmit(const Chain& chain);

  Output output_;
  Queues* queues_ = nullptr;
};

}  // namespace bartizan::vmm::virtio
