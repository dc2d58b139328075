// IoApic: an I/O APIC (Intel 82093AA) outside the kernel, for VMs whose kernel half has none: TDs.
// It keeps the redirection table and determines which message each line sends; KVM delivers them
// itself.
//
// Edge-triggered only, as all our devices are: a TD hides the end of interrupts, so level-triggered
// lines cannot work. The guest owns the registers and may write what it likes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "bartizan/result.hpp"
#include "base/mutex.hpp"
#include "vmm/devices/bus.hpp"

namespace bartizan::vmm::devices {

constexpr uint64_t kIoApicSize = 0x1000;  // bytes of the address range that it wants
constexpr uint32_t kIoApicLines = 24;

class IoApic final : public BusDevice {
 public:
  // A line that is not masked, and the message (MSI) that it sends.
  struct Route {
    uint32_t line = 0;
    uint64_t address = 0;
    uint32_t data = 0;
  };
  // Gets all routes whenever one changed; one call at a time, on vCPU threads.
  using OnRoutes = std::function<void(const std::vector<Route>& routes)>;
  explicit IoApic(OnRoutes on_routes);

  uint64_t read(uint64_t offset, uint32_t size) override;
  void write(uint64_t offset, uint32_t size, uint64_t value) override;

 private:
  uint32_t register_value() const BARTIZAN_REQUIRES(mutex_);
  void set_register(uint32_t value) BARTIZAN_REQUIRES(mutex_);
  std::vector<Route> routes() const BARTIZAN_REQUIRES(mutex_);

  OnRoutes on_routes_;
  Mutex mutex_;
  uint32_t selected_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint32_t id_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  std::array<uint64_t, kIoApicLines> entries_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::devices
