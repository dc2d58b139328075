// A guest's virtio driver, as far as devices can tell: it negotiates through the transport's
// registers, lays out queues in guest memory, makes chains available, notifies, and takes used
// chains back.
//
// Threads: used on one thread, while the event loop runs on another.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/event_loop.hpp"
#include "fakes/racing_memory.hpp"
#include "vmm/virtio/mmio.hpp"

namespace bartizan::fakes {

class CountingInterrupt : public vmm::virtio::Interrupt {
 public:
  void trigger() override;
  uint64_t count() const;
  // Until there are more than `seen`, or `limit` passed.
  void wait(uint64_t seen, std::chrono::milliseconds limit);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t count_ = 0;
};

// §2.7.5
struct RawDescriptor {
  uint64_t address = 0;
  uint32_t length = 0;
  uint16_t flags = 0;
  uint16_t next = 0;
};
constexpr uint16_t kDescriptorNext = 1, kDescriptorWrite = 2, kDescriptorIndirect = 4;

// A queue's place in guest memory, and the driver's half of the protocol.
class DriverQueue {
 public:
  // Uses [base, base + bytes_needed(size)) for the rings and the buffers of chains.
  DriverQueue(PlainMemory& memory, uint64_t base, uint16_t size, bool event_index);
  static uint64_t bytes_needed(uint16_t size);

  uint64_t descriptors() const { return base_; }
  uint64_t available() const { return base_ + 0x2000; }
  uint64_t used() const { return base_ + 0x3000; }
  uint64_t indirect_table() const { return base_ + 0x5000; }
  uint64_t buffers() const { return base_ + 0x10000; }
  uint16_t size() const { return size_; }

  struct Sent {
    uint16_t head = 0;
    std::vector<std::pair<uint64_t, uint32_t>> writable;  // address, length
  };
  // Lays out a chain, makes it available, and says whether the device wants a notification.
  Sent make_available(const std::vector<Bytes>& readable, const std::vector<uint32_t>& writable,
                      bool indirect = false);
  bool must_notify();

  // By hand, for malicious drivers.
  void put_descriptor(uint16_t index, RawDescriptor descriptor);
  void offer(uint16_t head);
  void set_available_index(uint16_t index);

  struct Used {
    uint32_t head = 0;
    uint32_t written = 0;
  };
  std::optional<Used> take_used();

 private:
  uint64_t place(uint64_t bytes);

  PlainMemory& memory_;
  uint64_t base_;
  uint16_t size_;
  bool event_index_;
  uint16_t available_index_ = 0, notified_index_ = 0, used_index_ = 0;
  uint16_t next_descriptor_ = 0;
  uint64_t next_buffer_ = 0;
};

// The whole guest: memory, loop thread, transport, queues.
class GuestDriver {
 public:
  struct Options {
    uint16_t queue_size = 64;
    bool event_index = true;
    bool indirect = true;
    bool racing = false;
  };
  // `device` is what `make(loop)` returns, so that devices can be made on the loop before it runs.
  using Make = std::function<std::shared_ptr<vmm::virtio::Device>(EventLoop&)>;
  GuestDriver(Options options, const Make& make);
  ~GuestDriver();

  PlainMemory& memory() { return *memory_; }
  vmm::virtio::MmioTransport& transport() { return *transport_; }
  EventLoop& loop() { return *loop_; }
  CountingInterrupt& interrupt() { return interrupt_; }
  DriverQueue& queue(size_t index) { return *queues_[index]; }

  uint32_t read(uint64_t offset) { return static_cast<uint32_t>(transport_->read(offset, 4)); }
  void write(uint64_t offset, uint32_t value) { transport_->write(offset, 4, value); }

  // §3.1.1, up to DRIVER_OK. False: the device refused the features.
  bool start(uint64_t drop_features = 0);
  void setup_queue(uint16_t index);
  void reset();

  // Sends a chain and notifies if the device wants it.
  DriverQueue::Sent send(size_t queue, const std::vector<Bytes>& readable,
                         const std::vector<uint32_t>& writable = {}, bool indirect = false);
  void notify(size_t queue) { write(vmm::virtio::kNotifyOffset, static_cast<uint32_t>(queue)); }

  // The next used chain; nullopt after `limit`.
  std::optional<DriverQueue::Used> wait(size_t queue,
                                        std::chrono::milliseconds limit = std::chrono::seconds(10));

  // One request to the end: what the device wrote. nullopt: it did not answer.
  std::optional<Bytes> ask(size_t queue, const std::vector<Bytes>& readable,
                           const std::vector<uint32_t>& writable, bool indirect = false);
  Bytes contents(const DriverQueue::Sent& sent, uint32_t written);

  // Runs `work` on the loop's thread, to its end.
  void on_loop(const std::function<void()>& work);
  // Everything posted and notified before is done.
  void settle() {
    on_loop([] {});
    on_loop([] {});
  }
  bool wait_until(const std::function<bool()>& condition);

 private:
  Options options_;
  std::unique_ptr<PlainMemory> memory_;
  std::unique_ptr<EventLoop> loop_;
  CountingInterrupt interrupt_;
  std::shared_ptr<vmm::virtio::MmioTransport> transport_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  std::thread thread_;
};

}  // namespace bartizan::fakes
