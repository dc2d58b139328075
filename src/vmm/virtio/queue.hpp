// A split virtqueue (virtio 1.2 §2.7), device side.
//
// Everything in it is written by the guest while we look: each index and descriptor is copied once,
// checked, and only the copy is used. A queue that breaks a rule becomes broken: it gives no more
// chains until the driver resets the device. Work is bounded by the queue's size; memory by one
// Chain.
//
// Threads: none of its own; Queues (queues.hpp) holds the lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/memory/guest_memory.hpp"

namespace bartizan::vmm::virtio {

// The largest queue we offer. A bigger one only lets the guest make one turn of the event loop
// longer.
constexpr uint16_t kMaxQueueSize = 256;

struct QueueConfig {
  uint16_t size = 0;         // guest-controlled: entries, a power of two
  GuestAddress descriptors;  // guest-controlled: descriptor table
  GuestAddress driver;       // guest-controlled: available ring
  GuestAddress device;       // guest-controlled: used ring
  bool indirect = false;     // VIRTIO_F_INDIRECT_DESC negotiated
  bool event_index = false;  // VIRTIO_F_EVENT_IDX negotiated
};

struct Buffer {
  GuestAddress at;      // guest-controlled; at + length does not wrap, and nothing else is promised
  uint32_t length = 0;  // guest-controlled
};

// A request: what the device may read, then what it may write. Reused from pop to pop, so it
// allocates rarely.
struct Chain {
  uint16_t head = 0;
  std::vector<Buffer> readable;
  std::vector<Buffer> writable;
  uint64_t readable_bytes = 0;  // readable_bytes + writable_bytes < 2^32
  uint64_t writable_bytes = 0;
};

class Queue {
 public:
  // invalid_argument if size, alignment or position are not what §2.7 allows.
  static Result<Queue> create(memory::DeviceMemory& memory, const QueueConfig& config,
                              uint16_t max_size);

  // The next chain that the driver made available. false: none, or broken. After a plain false the
  // driver notifies us of the next one; while there are chains it need not.
  bool pop(Chain* chain);

  // Whether pop() would give one. After a false the driver notifies us of the next one.
  bool more() { return !broken() && (held_ || available()); }

  // Undoes the last pop, whose chain was not pushed: the next pop gives it again (without reading
  // it again).
  void put_back(const Chain& chain);

  // Gives a chain back; `written` bytes of its writable part were filled.
  void push(const Chain& chain, uint32_t written);

  // Whether the driver wants an interrupt for what was pushed since the last call (§2.7.7,
  // §2.7.10).
  bool take_interrupt();

  bool broken() const { return broken_.has_value(); }
  const std::string& what_broke() const { return *broken_; }  // precondition: broken()
  uint16_t size() const { return config_.size; }

 private:
  struct Descriptor {  // §2.7.5
    uint64_t address = 0;
    uint32_t length = 0;
    uint16_t flags = 0;
    uint16_t next = 0;
  };
  static_assert(sizeof(Descriptor) == 16);

  Queue(memory::DeviceMemory& memory, const QueueConfig& config)
      : memory_(&memory), config_(config) {}
  bool fail(std::string what);
  bool available();
  bool refresh_available_index();
  void want_notifications(bool wanted);
  bool walk(uint16_t head, Chain* chain);
  bool walk_indirect(const Descriptor& table, Chain* chain);
  bool read_descriptor(uint16_t index, Descriptor* descriptor);
  bool append(const Descriptor& descriptor, Chain* chain);

  memory::DeviceMemory* memory_;
  QueueConfig config_;
  uint16_t next_available_ = 0;   // index of the next entry to take
  uint16_t available_index_ = 0;  // last copy of the driver's index
  uint16_t used_index_ = 0;       // our own; never read back
  // used_index_ when the driver was last considered for an interrupt
  uint16_t signalled_index_ = 0;
  bool notifications_wanted_ = true;
  std::vector<Descriptor> table_;  // copy of an indirect table
  std::optional<Chain> held_;      // put back
  std::optional<std::string> broken_;
};

}  // namespace bartizan::vmm::virtio
