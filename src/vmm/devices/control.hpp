// The control device: how PID 1 reports to the host where it is and how it ended. 32-bit writes to
// two ports (guest_abi/boot_stages.hpp); all else is ignored, reads give all ones.
#pragma once

#include <cstdint>
#include <functional>

#include "vmm/devices/bus.hpp"

namespace bartizan::vmm::devices {

class ControlDevice final : public BusDevice {
 public:
  struct Listener {
    std::function<void(uint32_t stage)> stage;                // 1 … kRunningMark only
    std::function<void(uint32_t kind, uint32_t value)> exit;  // kind 0 … 255, value 24 bits
  };
  // Called on vCPU threads.
  explicit ControlDevice(Listener listener) : listener_(std::move(listener)) {}

  uint64_t read(uint64_t offset, uint32_t size) override;
  void write(uint64_t offset, uint32_t size, uint64_t value) override;

 private:
  Listener listener_;
};

}  // namespace bartizan::vmm::devices
