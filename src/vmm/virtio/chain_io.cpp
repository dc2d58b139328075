#include "vmm/virtio/chain_io.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/guest_address.hpp"

namespace bartizan::vmm::virtio {
namespace {

// Walks `size` bytes of `buffers` on from (*buffer, *in_buffer): `piece(at, length)` for each
// contiguous part.
template <typename Piece>
Result<void> walk(const std::vector<Buffer>& buffers, size_t* buffer, uint32_t* in_buffer,
                  uint64_t size, Piece piece) {
  while (size > 0) {
    if (*buffer == buffers.size())
      return make_error(ErrorCode::protocol, "virtio/chain", "{} bytes too short", size);
    const Buffer& current = buffers[*buffer];
    uint32_t length = static_cast<uint32_t>(std::min<uint64_t>(size, current.length - *in_buffer));
    if (length > 0) TRY(piece(current.at + *in_buffer, length));
    *in_buffer += length;
    size -= length;
    if (*in_buffer == current.length) {
      ++*buffer;
      *in_buffer = 0;
    }
  }
  return {};
}

}  // namespace

Result<void> ChainReader::read(std::span<uint8_t> to) {
  size_t done = 0;
  TRY(walk(chain_.readable, &buffer_, &in_buffer_, to.size(),
           [&](GuestAddress at, uint32_t length) {
             auto got = memory_.read(at, to.subspan(done, length));
             done += length;
             return got;
           }));
  position_ += to.size();
  return {};
}

Result<void> ChainWriter::write(ByteView from) {
  size_t done = 0;
  TRY(walk(chain_.writable, &buffer_, &in_buffer_, from.size(),
           [&](GuestAddress at, uint32_t length) {
             auto put = memory_.write(at, from.subspan(done, length));
             done += length;
             return put;
           }));
  position_ += from.size();
  return {};
}

Result<void> write_byte(memory::DeviceMemory& memory, const std::vector<Buffer>& buffers,
                        uint64_t offset, uint8_t value) {
  for (const Buffer& buffer : buffers) {
    if (offset < buffer.length) return memory.write(buffer.at + offset, {&value, 1});
    offset -= buffer.length;
  }
  return make_error(ErrorCode::protocol, "virtio/chain", "no byte {}", offset);
}

}  // namespace bartizan::vmm::virtio
