// The virtio-mmio transport, version 2 (virtio 1.2 §4.2): a page of registers around a Device.
//
// Threads: read and write on vCPU threads, several at once; the device works on the event loop's
// thread. Destroy it when the loop no longer runs. Queue notifications are eventfds: give them to
// KVM_IOEVENTFD at the page's base + kNotifyOffset, length 4, datamatch = queue index, and a
// notification costs no exit to us.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bartizan/log.hpp"
#include "base/event_loop.hpp"
#include "base/mutex.hpp"
#include "vmm/devices/bus.hpp"
#include "vmm/virtio/device.hpp"
#include "vmm/virtio/interrupt.hpp"

namespace bartizan::vmm::virtio {

constexpr uint64_t kMmioSize = 0x1000;    // bytes of the address range that a transport wants
constexpr uint64_t kNotifyOffset = 0x50;  // QueueNotify

struct MmioOptions {
  std::string name;  // "block disk": in log lines
  LogSink log;       // what a driver did wrong, a few times at most
};

class MmioTransport : public devices::BusDevice {
 public:
  // A null device makes an empty slot: device ID 0, which drivers pass over (§4.2.3.1.1). Errors:
  // resource_exhausted.
  static Result<std::shared_ptr<MmioTransport>> create(memory::DeviceMemory& memory,
                                                       EventLoop& loop, Interrupt& interrupt,
                                                       std::shared_ptr<Device> device,
                                                       MmioOptions options = {});
  MmioTransport(const MmioTransport&) = delete;
  MmioTransport& operator=(const MmioTransport&) = delete;
  ~MmioTransport() override;

  uint64_t read(uint64_t offset, uint32_t size) override;
  void write(uint64_t offset, uint32_t size, uint64_t value) override;

  size_t queue_count() const { return notify_fds_.size(); }
  int notify_fd(size_t queue) const { return notify_fds_[queue].get(); }  // borrowed

  // What happens on the loop's thread when queue `queue` was notified.
  void process(uint16_t queue);

 private:
  struct QueueRegisters {
    uint32_t size = 0;                                 // guest-controlled
    bool ready = false;                                // guest-controlled
    uint64_t descriptors = 0, driver = 0, device = 0;  // guest-controlled
  };

  MmioTransport(memory::DeviceMemory& memory, EventLoop& loop, Interrupt& interrupt,
                std::shared_ptr<Device> device, MmioOptions options);
  Result<void> watch_notifications();

  uint32_t read_register(uint64_t offset);
  uint64_t read_config(uint64_t offset, uint32_t size) const;
  void write_register(uint64_t offset, uint32_t value) BARTIZAN_REQUIRES(mutex_);
  void write_queue_register(uint64_t offset, uint32_t value) BARTIZAN_REQUIRES(mutex_);
  void set_queue_ready(bool ready);
  void write_driver_features(uint32_t value) BARTIZAN_REQUIRES(mutex_);
  void write_status(uint32_t value);
  void reset() BARTIZAN_EXCLUDES(mutex_);
  void clear_queues() BARTIZAN_EXCLUDES(mutex_);
  void notify(uint32_t queue);

  void request_sync() BARTIZAN_REQUIRES(mutex_);
  void sync();
  void activate(uint64_t generation);
  std::vector<std::optional<Queue>> build_queues(uint64_t generation, uint64_t* features,
                                                 std::string* fault) BARTIZAN_EXCLUDES(mutex_);
  void raise(uint32_t cause) BARTIZAN_EXCLUDES(mutex_);
  void fail_device(const std::string& why) BARTIZAN_EXCLUDES(mutex_);

  memory::DeviceMemory& memory_;
  EventLoop& loop_;
  Interrupt& interrupt_;
  const std::shared_ptr<Device> device_;  // nullptr: an empty slot
  const MmioOptions options_;
  const uint64_t offered_;
  const std::vector<uint16_t> max_sizes_;
  std::vector<UniqueFd> notify_fds_;
  Queues queues_;

  // Taken after the lock of queues_, or alone; never held while the device works.
  Mutex mutex_ BARTIZAN_ACQUIRED_AFTER(queues_.mutex());
  std::vector<QueueRegisters> registers_ BARTIZAN_GUARDED_BY(mutex_);
  uint64_t accepted_ BARTIZAN_GUARDED_BY(mutex_) = 0;  // guest-controlled: DriverFeatures
  uint32_t device_features_select_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint32_t driver_features_select_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint32_t queue_select_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint32_t status_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  uint32_t interrupt_status_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  // Counts resets: an activation that was requested before the last one is void.
  uint64_t generation_ BARTIZAN_GUARDED_BY(mutex_) = 0;
  bool reset_wanted_ BARTIZAN_GUARDED_BY(mutex_) = false;
  bool activation_wanted_ BARTIZAN_GUARDED_BY(mutex_) = false;
  bool sync_posted_ BARTIZAN_GUARDED_BY(mutex_) = false;
  uint32_t complaints_ BARTIZAN_GUARDED_BY(mutex_) = 0;
};

}  // namespace bartizan::vmm::virtio
