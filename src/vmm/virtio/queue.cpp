#include "vmm/virtio/queue.hpp"

#include <atomic>
#include <utility>

#include "base/checked.hpp"
#include "base/errors.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4;  // §2.7.5
constexpr uint16_t kUsedNoNotify = 1;                     // §2.7.8
constexpr uint16_t kAvailableNoInterrupt = 1;             // §2.7.6
constexpr uint64_t kDescriptorBytes = 16;

// Of the available ring: flags, index, ring of u16, used_event. Of the used ring: flags, index,
// ring of {u32 id, u32 length}, avail_event (§2.7.6, §2.7.8).
constexpr uint64_t kFlagsAt = 0, kIndexAt = 2, kRingAt = 4;
uint64_t available_bytes(uint16_t size) {
  return kRingAt + 2ull * size + 2;
}
uint64_t used_bytes(uint16_t size) {
  return kRingAt + 8ull * size + 2;
}

struct UsedElement {
  uint32_t id;
  uint32_t length;
};

bool fits(GuestAddress at, uint64_t bytes, uint64_t alignment) {
  return at.value % alignment == 0 && checked_add(at.value, bytes).has_value();
}

}  // namespace

Result<Queue> Queue::create(memory::DeviceMemory& memory, const QueueConfig& config,
                            uint16_t max_size) {
  uint16_t size = config.size;
  bool power_of_two = size != 0 && (size & (size - 1)) == 0;
  if (!power_of_two || size > max_size) {
    return make_error(ErrorCode::invalid_argument, "vmm/virtio/queue",
                      "queue size {}: not a power of two up to {}", size, max_size);
  }
  if (!fits(config.descriptors, kDescriptorBytes * size, 16) ||
      !fits(config.driver, available_bytes(size), 2) || !fits(config.device, used_bytes(size), 4)) {
    return make_error(ErrorCode::invalid_argument, "vmm/virtio/queue",
                      "queue of {} at {:#x}, {:#x}, {:#x}: not aligned, or past the end of memory",
                      size, config.descriptors.value, config.driver.value, config.device.value);
  }
  return Queue(memory, config);
}

bool Queue::fail(std::string what) {
  if (!broken_) broken_ = std::move(what);
  return false;
}

// Copies the driver's index. More new chains than the ring has entries: it wrapped over chains that
// we hold (§2.7.13).
bool Queue::refresh_available_index() {
  auto index = memory_->read_object<uint16_t>(config_.driver + kIndexAt);
  if (!index.ok()) return fail("available index: " + index.error().message);
  uint16_t ahead = static_cast<uint16_t>(*index - next_available_);
  if (ahead > config_.size)
    return fail(fmt::format("available index {} is {} ahead", *index, ahead));
  available_index_ = *index;
  std::atomic_thread_fence(
      std::memory_order_acquire);  // entries are read after the index that covers them
  return true;
}

// §2.7.10: with the event index, the driver notifies us when it passes avail_event; without it,
// unless the driver suppressed it.
void Queue::want_notifications(bool wanted) {
  Result<void> told;
  if (config_.event_index) {
    if (wanted)
      told = memory_->write_object(config_.device + kRingAt + 8ull * config_.size, next_available_);
  } else if (wanted != notifications_wanted_) {
    told = memory_->write_object<uint16_t>(config_.device + kFlagsAt, wanted ? 0 : kUsedNoNotify);
  }
  notifications_wanted_ = wanted;
  if (!told.ok()) fail("used ring: " + told.error().message);
  std::atomic_thread_fence(
      std::memory_order_seq_cst);  // before the index is read again (§2.7.13.4.1)
}

bool Queue::available() {
  if (next_available_ != available_index_) return true;
  if (!refresh_available_index()) return false;
  if (next_available_ == available_index_) {
    want_notifications(true);
    if (broken() || !refresh_available_index()) return false;  // it may have added one meanwhile
  }
  return next_available_ != available_index_;
}

void Queue::put_back(const Chain& chain) {
  held_ = chain;
}

bool Queue::pop(Chain* chain) {
  if (broken()) return false;
  if (held_) {
    *chain = *std::exchange(held_, std::nullopt);
    return true;
  }
  if (!available()) return false;
  if (!config_.event_index && notifications_wanted_) want_notifications(false);
  auto head = memory_->read_object<uint16_t>(config_.driver + kRingAt +
                                             2ull * (next_available_ % config_.size));
  if (!head.ok()) return fail("available ring: " + head.error().message);
  if (*head >= config_.size)
    return fail(fmt::format("available ring: descriptor {} of {}", *head, config_.size));
  ++next_available_;
  return walk(*head, chain);
}

bool Queue::read_descriptor(uint16_t index, Descriptor* descriptor) {
  auto copy = memory_->read_object<Descriptor>(config_.descriptors + kDescriptorBytes * index);
  if (!copy.ok()) return fail(fmt::format("descriptor {}: {}", index, copy.error().message));
  *descriptor = *copy;
  return true;
}

// A chain of at most `size` buffers, the driver's limit of §2.7.4.2; a loop runs into it.
bool Queue::walk(uint16_t head, Chain* chain) {
  chain->head = head;
  chain->readable.clear();
  chain->writable.clear();
  chain->readable_bytes = chain->writable_bytes = 0;
  uint16_t index = head;
  for (uint32_t seen = 0; seen < config_.size; ++seen) {
    Descriptor descriptor;
    if (!read_descriptor(index, &descriptor)) return false;
    if (descriptor.flags & kIndirect) return walk_indirect(descriptor, chain);
    if (!append(descriptor, chain)) return false;
    if (!(descriptor.flags & kNext)) return true;
    if (descriptor.next >= config_.size) {
      return fail(
          fmt::format("descriptor {}: next is {} of {}", index, descriptor.next, config_.size));
    }
    index = descriptor.next;
  }
  return fail(fmt::format("descriptor {}: chain does not end", head));
}

// §2.7.5.3: the table ends the chain. It is copied whole, so that it cannot change between two of
// its entries.
bool Queue::walk_indirect(const Descriptor& table, Chain* chain) {
  if (!config_.indirect) return fail("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
  if (table.flags & kNext) return fail("indirect descriptor with a next one");
  uint32_t entries = table.length / kDescriptorBytes;
  if (table.length % kDescriptorBytes != 0 || entries == 0 || entries > config_.size) {
    return fail(fmt::format("indirect table of {} bytes", table.length));
  }
  table_.resize(entries);
  auto copied =
      memory_->read({table.address}, {reinterpret_cast<uint8_t*>(table_.data()), table.length});
  if (!copied.ok()) return fail("indirect table: " + copied.error().message);
  uint16_t index = 0;
  for (uint32_t seen = 0; seen < entries; ++seen) {
    const Descriptor& descriptor = table_[index];
    if (descriptor.flags & kIndirect) return fail("indirect descriptor in an indirect table");
    if (!append(descriptor, chain)) return false;
    if (!(descriptor.flags & kNext)) return true;
    if (descriptor.next >= entries)
      return fail(fmt::format("indirect table: next is {} of {}", descriptor.next, entries));
    index = descriptor.next;
  }
  return fail("indirect table: chain does not end");
}

bool Queue::append(const Descriptor& descriptor, Chain* chain) {
  bool writable = descriptor.flags & kWrite;
  if (!writable && !chain->writable.empty())
    return fail("readable descriptor after a writable one");  // §2.7.4.2
  if (chain->readable.size() + chain->writable.size() >= config_.size)
    return fail("chain longer than the queue");
  if (!checked_add<uint64_t>(descriptor.address, descriptor.length)) {
    return fail(
        fmt::format("buffer of {} bytes at {:#x} wraps", descriptor.length, descriptor.address));
  }
  (writable ? chain->writable : chain->readable)
      .push_back({{descriptor.address}, descriptor.length});
  (writable ? chain->writable_bytes : chain->readable_bytes) += descriptor.length;
  if (chain->readable_bytes + chain->writable_bytes > UINT32_MAX)
    return fail("chain of 2^32 bytes or more");
  return true;
}

void Queue::push(const Chain& chain, uint32_t written) {
  if (broken()) return;
  UsedElement element{chain.head, written};
  auto put = memory_->write_object(config_.device + kRingAt + 8ull * (used_index_ % config_.size),
                                   element);
  std::atomic_thread_fence(
      std::memory_order_release);  // the element is there before the index that covers it
  ++used_index_;
  if (put.ok()) put = memory_->write_object(config_.device + kIndexAt, used_index_);
  if (!put.ok()) fail("used ring: " + put.error().message);
}

bool Queue::take_interrupt() {
  if (broken() || signalled_index_ == used_index_) return false;
  std::atomic_thread_fence(
      std::memory_order_seq_cst);  // the index is visible before the driver's wish is read
  uint16_t before = std::exchange(signalled_index_, used_index_);
  GuestAddress wish = config_.event_index ? config_.driver + kRingAt + 2ull * config_.size
                                          : config_.driver + kFlagsAt;
  auto value = memory_->read_object<uint16_t>(wish);
  if (!value.ok()) return fail("available ring: " + value.error().message);
  if (!config_.event_index) return !(*value & kAvailableNoInterrupt);
  // §2.7.10.2: did used_index_ move past used_event since the last time? All modulo 2^16.
  return static_cast<uint16_t>(used_index_ - *value - 1) <
         static_cast<uint16_t>(used_index_ - before);
}

}  // namespace bartizan::vmm::virtio
