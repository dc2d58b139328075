// The ring is guest memory: any bytes at all. What comes out of a walk must keep the promises of
// Chain.
#include <cstdint>
#include <cstdlib>

#include "fakes/racing_memory.hpp"
#include "vmm/virtio/queue.hpp"

using namespace bartizan;  // NOLINT: one function

namespace {

constexpr uint64_t kDescriptors = 0, kAvailable = 0x800, kUsed = 0x1000, kMemory = 0x4000;
constexpr int kSteps = 200;  // pops of one input

void require(bool promise) {
  if (!promise) std::abort();
}

uint64_t check(const std::vector<vmm::virtio::Buffer>& buffers) {
  uint64_t sum = 0;
  for (const auto& buffer : buffers) {
    require(buffer.at.value + buffer.length >= buffer.at.value);
    sum += buffer.length;
  }
  return sum;
}

}  // namespace

// Two bytes of configuration, then guest memory from address 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  fakes::PlainMemory memory(kMemory);
  memory.guest_write(0, {data + 2, std::min<size_t>(size - 2, kMemory)});
  uint16_t entries = static_cast<uint16_t>(1 << (data[0] % 7));
  vmm::virtio::QueueConfig config{entries, {kDescriptors},     {kAvailable},
                                  {kUsed}, (data[1] & 1) != 0, (data[1] & 2) != 0};
  if (data[1] & 4) memory.make_private(kUsed);
  auto queue = vmm::virtio::Queue::create(memory, config, 128);
  require(queue.ok());
  vmm::virtio::Chain chain;
  for (int i = 0; i < kSteps && queue->pop(&chain); ++i) {
    require(chain.head < entries && chain.readable.size() + chain.writable.size() <= entries);
    require(check(chain.readable) == chain.readable_bytes &&
            check(chain.writable) == chain.writable_bytes);
    require(chain.readable_bytes + chain.writable_bytes <= UINT32_MAX);
    if (i % 3 == 2)
      queue->put_back(chain);
    else
      queue->push(chain, 1);
    (void)queue->take_interrupt();
  }
  require(!queue->broken() || !queue->pop(&chain));
  return 0;
}
