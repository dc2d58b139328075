// virtio-rng (virtio 1.2 §5.4): the host kernel's random numbers. A confidential guest must not
// rely on them alone.
#pragma once

#include <memory>

#include "vmm/virtio/device.hpp"

namespace bartizan::vmm::virtio {

class RngDevice : public Device {
 public:
  static std::shared_ptr<RngDevice> create() { return std::shared_ptr<RngDevice>(new RngDevice); }

  DeviceType type() const override { return DeviceType::rng; }
  std::vector<uint16_t> queue_sizes() const override;
  void activate(Queues& queues, uint64_t) override { queues_ = &queues; }
  void notify(uint16_t index) override;
  void reset() override { queues_ = nullptr; }

 private:
  RngDevice() = default;
  uint32_t fill(const Chain& chain);

  Queues* queues_ = nullptr;
};

}  // namespace bartizan::vmm::virtio
