#include "vmm/virtio/net/device.hpp"

#include <algorithm>

#include "base/blocked_signal.hpp"
#include "base/errors.hpp"
#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kReceive = 0, kTransmit = 1;  // §5.1.2
constexpr uint16_t kQueueSize = 256;
// §5.1.3. No offloads: every frame is complete and at most kMaxFrame
constexpr uint64_t kFeatureMac = 1 << 5;

constexpr size_t kMaxFrame = 1514;  // Ethernet header and 1500 bytes
constexpr uint32_t kFramesPerTurn = 64;

// Frames for a guest that takes none. TCP sends again what is dropped; memory does not come again.
constexpr size_t kMaxWaiting = 256;

struct PacketHeader {  // §5.1.6; with VERSION_1 always 12 bytes
  uint8_t flags = 0, gso_type = 0;
  uint16_t header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0;
  uint16_t buffers = 1;  // §5.1.6.4.1
};
static_assert(sizeof(PacketHeader) == 12);

}  // namespace

Result<std::shared_ptr<NetDevice>> NetDevice::create(EventLoop& loop, NetOptions options) {
  std::shared_ptr<NetDevice> device(new NetDevice);
  NetDevice* self = device.get();
  SlirpNetwork::Guest guest{.frame = [self](ByteView frame) { self->keep_for_guest(frame); },
                            .round_done =
                                [self] {
                                  if (self->queues_)
                                    self->queues_->run([self] { self->fill_guest(); });
                                }};
  device->network_ = TRY(SlirpNetwork::create(loop, std::move(guest), std::move(options.policy)));
  for (const PortForward& forward : options.publish) TRY(device->network_->publish(forward));
  return device;
}

std::vector<uint16_t> NetDevice::queue_sizes() const {
  return {kQueueSize, kQueueSize};
}

uint64_t NetDevice::features() const {
  return kFeatureMac;
}

std::vector<uint8_t> NetDevice::config() const {  // §5.1.4
  std::vector<uint8_t> config(kGuestMac.begin(), kGuestMac.end());
  config.resize(12);
  return config;
}

void NetDevice::activate(Queues& queues, uint64_t) {
  queues_ = &queues;
}

void NetDevice::reset() {
  queues_ = nullptr;
  waiting_.clear();
}

void NetDevice::notify(uint16_t index) {
  if (index == kTransmit) {
    BlockedSignal quiet(SIGPIPE);
    queues_->serve(kTransmit, kFramesPerTurn, [this](const Chain& chain) {
      transmit(chain);
      return 0u;
    });
    network_->settle();
  }
  fill_guest();
}

void NetDevice::transmit(const Chain& chain) {
  uint8_t bytes[sizeof(PacketHeader) + kMaxFrame];
  if (chain.readable_bytes <= sizeof(PacketHeader) || chain.readable_bytes > sizeof bytes) return;
  std::span<uint8_t> packet(bytes, chain.readable_bytes);
  if (ChainReader(queues_->memory(), chain).read(packet).ok())
    network_->input(packet.subspan(sizeof(PacketHeader)));
}

void NetDevice::keep_for_guest(ByteView frame) {
  if (!queues_ || waiting_.size() >= kMaxWaiting || frame.size() > kMaxFrame) return;
  waiting_.emplace_back(frame.begin(), frame.end());
}

void NetDevice::fill_guest() {
  Queue* queue = queues_->at(kReceive);
  if (!queue) return;
  for (size_t most = kQueueSize; most > 0 && !waiting_.empty() && queue->pop(&chain_); --most) {
    const Bytes& frame = waiting_.front();
    PacketHeader header;
    ChainWriter writer(queues_->memory(), chain_);
    // too small a buffer: the frame is lost
    bool fits = chain_.writable_bytes >= sizeof header + frame.size();
    bool written = fits &&
                   writer.write({reinterpret_cast<const uint8_t*>(&header), sizeof header}).ok() &&
                   writer.write(frame).ok();
    queue->push(chain_, written ? writer.written() : 0);
    waiting_.pop_front();
  }
  queues_->flush(kReceive);
}

}  // namespace bartizan::vmm::virtio
