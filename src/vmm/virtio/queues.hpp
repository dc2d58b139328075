// A device's hold on its queues: the one lock between vCPU threads, which reset, and the event
// loop, which works.
//
// The transport installs queues when the driver is ready and removes them at a reset; once `clear`
// has returned, no device touches guest memory. Device::activate and Device::notify are called with
// the lock held; a device's other callbacks (a descriptor became readable, a timer) reach the
// queues through `run`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "vmm/virtio/queue.hpp"

namespace bartizan::vmm::virtio {

class Queues {
 public:
  // Called with the lock held, on the event loop's thread or one of the device. `used`: the driver
  // wants an interrupt for this queue. `broken`: it broke the rules. `again`: work was left for
  // another turn of the loop.
  struct Signals {
    std::function<void(uint16_t queue)> used;
    std::function<void(uint16_t queue)> again;
    std::function<void(uint16_t queue, const std::string& why)> broken;
  };
  Queues(memory::DeviceMemory& memory, Signals signals)
      : memory_(memory), signals_(std::move(signals)) {}

  // For transports, which take the lock themselves: of their own locks it is the outer one.
  Mutex& mutex() BARTIZAN_RETURN_CAPABILITY(mutex_) { return mutex_; }
  void install(std::vector<std::optional<Queue>> queues) BARTIZAN_REQUIRES(mutex_);
  void remove(uint16_t index) BARTIZAN_REQUIRES(mutex_);
  void clear() BARTIZAN_REQUIRES(mutex_);
  bool empty() const BARTIZAN_REQUIRES(mutex_) { return queues_.empty(); }

  // Runs `work` with the lock held, if there are queues. False if not: the driver is not there.
  bool run(const std::function<void()>& work) BARTIZAN_EXCLUDES(mutex_);

  // All below: for devices, in activate, in notify and in the `work` of run, where the lock is held
  // by the caller of the device.
  memory::DeviceMemory& memory() { return memory_; }
  Queue* at(uint16_t index);  // nullptr: the driver did not set it up, or it is broken

  // Tells the driver what was pushed, if it wants to know, and the transport if the queue broke.
  // After a batch.
  void flush(uint16_t index);

  // Gives up to `most` chains to `serve_one`, which returns the number of bytes it wrote, and
  // pushes them; what is left waits for another turn of the loop, so that one device cannot keep
  // the others from theirs. Flushes.
  template <typename ServeOne>
  void serve(uint16_t index, uint32_t most, ServeOne serve_one) {
    mutex_.assume_held();
    Queue* queue = at(index);
    if (!queue) return;
    bool more = true;
    for (uint32_t i = 0; i < most && more; ++i) {
      more = queue->pop(&chain_);
      if (more) queue->push(chain_, serve_one(chain_));
    }
    flush(index);
    if (more) again(index);
  }
  void again(uint16_t index) { signals_.again(index); }

 private:
  memory::DeviceMemory& memory_;
  Signals signals_;
  Mutex mutex_;
  std::vector<std::optional<Queue>> queues_ BARTIZAN_GUARDED_BY(mutex_);
  Chain chain_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::vmm::virtio
