// virtio-console (virtio 1.2 §5.3), one port: the guest's hvcN.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/event_loop.hpp"
#include "vmm/virtio/device.hpp"

namespace bartizan::vmm::virtio {

struct ConsoleOptions {
  // What the guest wrote, in pieces of at most 4096 bytes, on the event loop's thread. Must return
  // soon. Empty: dropped.
  std::function<void(ByteView)> output;
  // what epoll can watch; read while the guest has space for it; its end just ends it. Invalid:
  // nothing to read
  UniqueFd input;
  // The guest is told a size: see resize.
  bool sized = false;
};

class ConsoleDevice : public Device {
 public:
  static std::shared_ptr<ConsoleDevice> create(EventLoop& loop, ConsoleOptions options);
  ~ConsoleDevice() override;

  // Loop's thread: bytes for the guest, behind those not yet taken. resource_exhausted above
  // kMaxPendingInput.
  Result<void> push_input(ByteView bytes);

  // Loop's thread: reads from `input` from now on. Not before the guest has its terminal open:
  // Linux throws away what arrives between the first buffers and its hvc device.
  void attach_input(UniqueFd input);

  // Loop's thread: tells the guest its terminal's size, also if that is the one it was told. Of a
  // `sized` console only. Linux forgets what it is told before its hvc device is there.
  void resize(uint16_t columns, uint16_t rows);

  DeviceType type() const override { return DeviceType::console; }
  uint64_t features() const override;
  std::vector<uint16_t> queue_sizes() const override;
  std::vector<uint8_t> config() const override;
  uint32_t config_generation() const override { return generation_.load(); }
  void activate(Queues& queues, uint64_t features) override;
  void notify(uint16_t index) override;
  void reset() override;

 private:
  ConsoleDevice(EventLoop& loop, ConsoleOptions options)
      : loop_(loop), options_(std::move(options)) {}
  uint32_t transmit(const Chain& chain);
  void fill_guest();
  bool has_room(Queue& queue);
  bool fill_one(Queue& queue);
  std::optional<size_t> next_input(std::span<uint8_t> to);
  void watch_input(bool wanted);
  void on_input();

  EventLoop& loop_;
  ConsoleOptions options_;
  Queues* queues_ = nullptr;
  std::atomic<uint32_t> size_ = 0;  // rows << 16 | columns
  std::atomic<uint32_t> generation_ = 0;
  Bytes pending_;          // pushed, not yet taken by the guest
  bool watching_ = false;  // options_.input is watched
  Chain chain_;
};

}  // namespace bartizan::vmm::virtio
