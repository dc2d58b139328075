// Bytes out of and into a chain, wherever the driver chose to cut its buffers (§2.6.4: framing
// means nothing).
#pragma once

#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "vmm/virtio/queue.hpp"

namespace bartizan::vmm::virtio {

// Reads the readable part of a chain from front to back, each byte once.
class ChainReader {
 public:
  ChainReader(memory::DeviceMemory& memory, const Chain& chain) : memory_(memory), chain_(chain) {}
  uint64_t remaining() const { return chain_.readable_bytes - position_; }

  // Fills `to`; `protocol` if the chain holds less, or the error of the memory (permission_denied:
  // a private page).
  Result<void> read(std::span<uint8_t> to);

 private:
  memory::DeviceMemory& memory_;
  const Chain& chain_;
  size_t buffer_ = 0;       // index of the current buffer
  uint32_t in_buffer_ = 0;  // bytes of it that were read
  uint64_t position_ = 0;
};

// Fills the writable part of a chain from front to back.
class ChainWriter {
 public:
  ChainWriter(memory::DeviceMemory& memory, const Chain& chain) : memory_(memory), chain_(chain) {}
  uint64_t remaining() const { return chain_.writable_bytes - position_; }
  uint32_t written() const {
    return static_cast<uint32_t>(position_);
  }  // chains are shorter than 2^32

  Result<void> write(ByteView from);

 private:
  memory::DeviceMemory& memory_;
  const Chain& chain_;
  size_t buffer_ = 0;
  uint32_t in_buffer_ = 0;
  uint64_t position_ = 0;
};

// Writes one byte at `offset` of `buffers`. Precondition: they are longer than that.
Result<void> write_byte(memory::DeviceMemory& memory, const std::vector<Buffer>& buffers,
                        uint64_t offset, uint8_t value);

}  // namespace bartizan::vmm::virtio
