#include "fakes/guest_driver.hpp"

#include <algorithm>
#include <future>

namespace bartizan::fakes {
namespace {

constexpr uint64_t kQueueStride = 0x100000;  // guest memory for one queue
constexpr uint64_t kQueuesAt = 0x100000;
constexpr uint64_t kMemoryBytes = 0x800000;

}  // namespace

void CountingInterrupt::trigger() {
  std::lock_guard lock(mutex_);
  ++count_;
  changed_.notify_all();
}

uint64_t CountingInterrupt::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

void CountingInterrupt::wait(uint64_t seen, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return count_ > seen; });
}

DriverQueue::DriverQueue(PlainMemory& memory, uint64_t base, uint16_t size, bool event_index)
    : memory_(memory), base_(base), size_(size), event_index_(event_index) {
  memory_.guest_write(base_, Bytes(0x6000));
  if (auto* racing = dynamic_cast<RacingMemory*>(&memory)) {
    racing->exempt(available(), 4);
    racing->exempt(available() + 4 + 2ull * size, 2);
  }
}

uint64_t DriverQueue::bytes_needed(uint16_t) {
  return kQueueStride;
}

uint64_t DriverQueue::place(uint64_t bytes) {
  constexpr uint64_t kRoom = kQueueStride - 0x10000;
  if (next_buffer_ + bytes > kRoom) next_buffer_ = 0;  // older chains are long done
  uint64_t at = buffers() + next_buffer_;
  next_buffer_ += bytes;
  return at;
}

void DriverQueue::put_descriptor(uint16_t index, RawDescriptor descriptor) {
  memory_.guest_store(descriptors() + 16ull * index, descriptor);
}

DriverQueue::Sent DriverQueue::make_available(const std::vector<Bytes>& readable,
                                              const std::vector<uint32_t>& writable,
                                              bool indirect) {
  Sent sent;
  std::vector<RawDescriptor> chain;
  for (const Bytes& bytes : readable) {
    uint64_t at = place(bytes.size());
    memory_.guest_write(at, bytes);
    chain.push_back({at, static_cast<uint32_t>(bytes.size()), 0, 0});
  }
  for (uint32_t length : writable) {
    uint64_t at = place(length);
    memory_.guest_write(at, Bytes(length, 0xee));
    chain.push_back({at, length, kDescriptorWrite, 0});
    sent.writable.emplace_back(at, length);
  }
  sent.head = next_descriptor_;
  uint16_t count = static_cast<uint16_t>(chain.size());
  for (uint16_t i = 0; i < count; ++i) {
    uint16_t next = indirect ? i + 1 : static_cast<uint16_t>((sent.head + i + 1) % size_);
    if (i + 1 < count) chain[i].flags |= kDescriptorNext;
    if (i + 1 < count) chain[i].next = next;
    if (indirect)
      memory_.guest_store(indirect_table() + 16ull * i, chain[i]);
    else
      put_descriptor(static_cast<uint16_t>((sent.head + i) % size_), chain[i]);
  }
  if (indirect) put_descriptor(sent.head, {indirect_table(), 16u * count, kDescriptorIndirect, 0});
  next_descriptor_ = static_cast<uint16_t>((next_descriptor_ + (indirect ? 1 : count)) % size_);
  offer(sent.head);
  return sent;
}

void DriverQueue::offer(uint16_t head) {
  memory_.guest_store<uint16_t>(available() + 4 + 2ull * (available_index_ % size_), head);
  set_available_index(static_cast<uint16_t>(available_index_ + 1));
}

void DriverQueue::set_available_index(uint16_t index) {
  available_index_ = index;
  memory_.guest_store<uint16_t>(available() + 2, index);
}

bool DriverQueue::must_notify() {
  uint16_t before = std::exchange(notified_index_, available_index_);
  if (!event_index_) return !(memory_.guest_load<uint16_t>(used()) & 1);
  uint16_t event = memory_.guest_load<uint16_t>(used() + 4 + 8ull * size_);
  return static_cast<uint16_t>(available_index_ - event - 1) <
         static_cast<uint16_t>(available_index_ - before);
}

std::optional<DriverQueue::Used> DriverQueue::take_used() {
  if (memory_.guest_load<uint16_t>(used() + 2) == used_index_) return std::nullopt;
  Used element = memory_.guest_load<Used>(used() + 4 + 8ull * (used_index_ % size_));
  ++used_index_;
  memory_.guest_store<uint16_t>(available() + 4 + 2ull * size_,
                                used_index_);  // used_event: tell me of the next
  return element;
}

GuestDriver::GuestDriver(Options options, const Make& make) : options_(options) {
  if (options.racing)
    memory_ = std::make_unique<RacingMemory>(kMemoryBytes);
  else
    memory_ = std::make_unique<PlainMemory>(kMemoryBytes);
  loop_ = EventLoop::create().value();
  transport_ =
      vmm::virtio::MmioTransport::create(*memory_, *loop_, interrupt_, make(*loop_), {}).value();
  for (size_t i = 0; i < transport_->queue_count(); ++i) {
    queues_.push_back(std::make_unique<DriverQueue>(*memory_, kQueuesAt + i * kQueueStride,
                                                    options.queue_size, options.event_index));
  }
  thread_ = std::thread([this] { loop_->run(); });
}

GuestDriver::~GuestDriver() {
  loop_->stop();
  thread_.join();
  transport_.reset();
}

bool GuestDriver::start(uint64_t drop_features) {
  write(0x70, 1);
  write(0x70, 1 | 2);
  uint64_t offered = 0;
  for (uint32_t half = 0; half < 2; ++half) {
    write(0x14, half);
    offered |= static_cast<uint64_t>(read(0x10)) << 32 * half;
  }
  uint64_t wanted = offered & ~drop_features;
  if (!options_.event_index) wanted &= ~vmm::virtio::kFeatureEventIndex;
  if (!options_.indirect) wanted &= ~vmm::virtio::kFeatureIndirect;
  for (uint32_t half = 0; half < 2; ++half) {
    write(0x24, half);
    write(0x20, static_cast<uint32_t>(wanted >> 32 * half));
  }
  write(0x70, 1 | 2 | 8);
  if (!(read(0x70) & 8)) return false;
  for (uint16_t i = 0; i < queues_.size(); ++i) setup_queue(i);
  write(0x70, 1 | 2 | 8 | 4);
  settle();
  return true;
}

void GuestDriver::setup_queue(uint16_t index) {
  const DriverQueue& queue = *queues_[index];
  write(0x30, index);
  write(0x38, queue.size());
  std::pair<uint64_t, uint64_t> places[] = {
      {0x80, queue.descriptors()}, {0x90, queue.available()}, {0xa0, queue.used()}};
  for (auto [at, value] : places) {
    write(at, static_cast<uint32_t>(value));
    write(at + 4, static_cast<uint32_t>(value >> 32));
  }
  write(0x44, 1);
}

void GuestDriver::reset() {
  write(0x70, 0);
  for (size_t i = 0; i < queues_.size(); ++i) {
    queues_[i] = std::make_unique<DriverQueue>(*memory_, kQueuesAt + i * kQueueStride,
                                               options_.queue_size, options_.event_index);
  }
}

DriverQueue::Sent GuestDriver::send(size_t queue, const std::vector<Bytes>& readable,
                                    const std::vector<uint32_t>& writable, bool indirect) {
  auto sent = queues_[queue]->make_available(readable, writable, indirect);
  if (queues_[queue]->must_notify()) notify(queue);
  return sent;
}

std::optional<DriverQueue::Used> GuestDriver::wait(size_t queue, std::chrono::milliseconds limit) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    uint64_t seen = interrupt_.count();
    if (auto used = queues_[queue]->take_used()) {
      write(0x64, read(0x60));
      return used;
    }
    if (std::chrono::steady_clock::now() > end) return std::nullopt;
    interrupt_.wait(seen, std::chrono::milliseconds(20));
  }
}

std::optional<Bytes> GuestDriver::ask(size_t queue, const std::vector<Bytes>& readable,
                                      const std::vector<uint32_t>& writable, bool indirect) {
  auto sent = send(queue, readable, writable, indirect);
  auto used = wait(queue);
  if (!used || used->head != sent.head) return std::nullopt;
  return contents(sent, used->written);
}

Bytes GuestDriver::contents(const DriverQueue::Sent& sent, uint32_t written) {
  Bytes all;
  for (auto [at, length] : sent.writable) {
    Bytes part = memory_->guest_read(at, std::min<uint64_t>(length, written - all.size()));
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

void GuestDriver::on_loop(const std::function<void()>& work) {
  std::promise<void> done;
  loop_->post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

bool GuestDriver::wait_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace bartizan::fakes
