#include "vmm/virtio/rng/device.hpp"

#include <sys/random.h>

#include <algorithm>

#include "vmm/virtio/chain_io.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint16_t kQueueSize = 64;

// A chain may ask for 4 GiB; the device may give less (§5.4.6.2). Linux asks for at most 64 bytes.
// Without the limit one request would keep the host's generator and this thread busy for seconds.
constexpr size_t kMaxRandomPerChain = 1024;
constexpr uint32_t kChainsPerTurn = 32;

}  // namespace

std::vector<uint16_t> RngDevice::queue_sizes() const {
  return {kQueueSize};
}

void RngDevice::notify(uint16_t) {
  queues_->serve(0, kChainsPerTurn, [this](const Chain& chain) { return fill(chain); });
}

uint32_t RngDevice::fill(const Chain& chain) {
  uint8_t random[kMaxRandomPerChain];
  ssize_t got = ::getrandom(random, std::min<uint64_t>(chain.writable_bytes, sizeof random), 0);
  if (got <= 0) return 0;
  ChainWriter writer(queues_->memory(), chain);
  return writer.write({random, static_cast<size_t>(got)}).ok() ? writer.written() : 0;
}

}  // namespace bartizan::vmm::virtio
