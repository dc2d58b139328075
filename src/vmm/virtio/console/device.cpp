#include "vmm/virtio/console/device.hpp"

#include <algorithm>

#include "base/units.hpp"
#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kTransmit = 1;    // §5.3.2
constexpr size_t kConfigBytes = 12;  // §5.3.4: no field of it is valid
constexpr uint16_t kQueueSize = 64;
constexpr size_t kPiece = 4096;  // bytes moved at a time; the size of Linux's own console buffers

// One chain may claim 4 GiB of output. What is beyond this is dropped: a guest must not hold the
// loop that long.
constexpr uint64_t kMaxOutputPerChain = 256 * kKiB;
constexpr uint32_t kChainsPerTurn = 32;

}  // namespace

std::shared_ptr<ConsoleDevice> ConsoleDevice::create(Output output) {
  return std::shared_ptr<ConsoleDevice>(new ConsoleDevice(std::move(output)));
}

std::vector<uint16_t> ConsoleDevice::queue_sizes() const {
  return {kQueueSize, kQueueSize};
}

std::vector<uint8_t> ConsoleDevice::config() const {
  return std::vector<uint8_t>(kConfigBytes);
}

void ConsoleDevice::notify(uint16_t index) {
  if (index != kTransmit) return;
  queues_->serve(kTransmit, kChainsPerTurn, [this](const Chain& chain) { return transmit(chain); });
}

uint32_t ConsoleDevice::transmit(const Chain& chain) {
  if (!output_) return 0;
  uint8_t piece[kPiece];
  ChainReader reader(queues_->memory(), chain);
  uint64_t left = std::min(reader.remaining(), kMaxOutputPerChain);
  while (left > 0) {
    std::span<uint8_t> part(piece, std::min<uint64_t>(left, kPiece));
    if (!reader.read(part).ok()) return 0;  // a private page: the rest is not for us
    output_(part);
    left -= part.size();
  }
  return 0;
}

}  // namespace bartizan::vmm::virtio
