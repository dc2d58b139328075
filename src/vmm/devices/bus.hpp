// A bus: address ranges that lead to devices. One object for port I/O, one for MMIO.
//
// Devices are called on vCPU threads, several at once; each device locks for itself. A guest may
// touch any address at any width: what no device claims reads as all ones and swallows writes, as
// on hardware.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "bartizan/result.hpp"

namespace bartizan::vmm::devices {

// `offset` counts from the start of the device's range; offset + size never passes its end. size is
// 1, 2, 4 or 8.
class BusDevice {
 public:
  virtual ~BusDevice() = default;
  virtual uint64_t read(uint64_t offset, uint32_t size) = 0;
  virtual void write(uint64_t offset, uint32_t size, uint64_t value) = 0;
};

class Bus {
 public:
  // The range [base, base + size) must be free. Before the machine runs.
  Result<void> add(uint64_t base, uint64_t size, std::shared_ptr<BusDevice> device);

  uint64_t read(uint64_t address, uint32_t size) const;
  void write(uint64_t address, uint32_t size, uint64_t value) const;

 private:
  struct Range {
    uint64_t size = 0;
    std::shared_ptr<BusDevice> device;
  };
  const Range* find(uint64_t address, uint32_t size, uint64_t* base) const;
  std::map<uint64_t, Range> ranges_;
};

}  // namespace bartizan::vmm::devices
