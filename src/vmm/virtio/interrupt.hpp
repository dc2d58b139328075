// The one thing that a device needs of an interrupt controller. Edge-triggered: the end of an
// interrupt never exits from a TD, so levels cannot work. Thread-safe.
#pragma once

namespace bartizan::vmm::virtio {

class Interrupt {
 public:
  virtual ~Interrupt() = default;
  virtual void trigger() = 0;
};

}  // namespace bartizan::vmm::virtio
