// A virtio device (virtio 1.2 §5), without its transport.
//
// Threads: type, queue_sizes, features and config are called on any thread and answer the same for
// the life of the device. Everything else on the event loop's thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vmm/virtio/queues.hpp"

namespace bartizan::vmm::virtio {

enum class DeviceType : uint32_t {
  none = 0,
  net = 1,
  block = 2,
  console = 3,
  rng = 4,
  vsock = 19
};  // §5

// Reserved feature bits (§6). The transport offers these for every device.
constexpr uint64_t kFeatureIndirect = 1ull << 28;
constexpr uint64_t kFeatureEventIndex = 1ull << 29;
constexpr uint64_t kFeatureVersion1 = 1ull << 32;
constexpr uint64_t kFeatureAccessPlatform = 1ull << 33;

class Device {
 public:
  virtual ~Device() = default;

  virtual DeviceType type() const = 0;
  virtual std::vector<uint16_t> queue_sizes() const = 0;  // the largest size of each queue
  virtual uint64_t features() const { return 0; }         // device-specific bits only

  // The device's configuration space; what lies past its end reads as zero. No device here has
  // writable fields, and none changes them.
  virtual std::vector<uint8_t> config() const { return {}; }

  // The driver is ready. `queues` is locked now, and stays valid until reset() has returned.
  // Notifications may have come before: the transport calls notify for every queue next.
  virtual void activate(Queues& queues, uint64_t features) = 0;

  // The driver announces that queue `index` has new buffers (maybe it has none). `queues` is
  // locked.
  virtual void notify(uint16_t index) = 0;

  // The driver is gone; the queues went before this call. Back to the state after construction.
  virtual void reset() = 0;
};

}  // namespace bartizan::vmm::virtio
