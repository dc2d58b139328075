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
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vmm/virtio/queue.hpp"

namespace bartizan::vmm::virtio {

class Queues {
 public:
  // Called with the lock held, on the event loop's thread. `used`: the driver wants an interrupt
  // for this queue. `broken`: it broke the rules. `again`: work was left for another turn.
  struct Signals {
    std::function<void(uint16_t queue)> used;
    std::function<void(uint16_t queue)> again;
    std::function<void(uint16_t queue, const std::string& why)> broken;
  };
  Queues(memory::DeviceMemory& memory, Signals signals)
      : memory_(memory), signals_(std::move(signals)) {}

  // For transports.
  // start: takes the queues that `build` returns, and if there are any, runs `work`, all under the
  // lock.
  void start(const std::function<std::vector<std::optional<Queue>>()>& build,
             const std::function<void()>& work);
  void remove(uint16_t index);
  void clear();

  // Runs `work` with the lock held, if there are queues. False if not: the driver is not there.
  bool run(const std::function<void()>& work);

  // All below: with the lock held.
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
  std::mutex mutex_;
  std::vector<std::optional<Queue>> queues_;  // guarded by mutex_
  Chain chain_;                               // guarded by mutex_
};

}  // namespace bartizan::vmm::virtio
