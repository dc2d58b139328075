// What devices and loaders see of guest memory.
//
// Two rules hold everywhere. Guest memory changes under our feet: copy once, validate the copy, use
// the copy; no references into it, except the bulk windows below whose bytes are moved and never
// looked at. And a page is either shared (the host may touch it) or private (it may not): devices
// reach shared pages only.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/guest_address.hpp"

namespace bartizan::vmm::memory {

enum class PageState : uint8_t { shared, private_ };

// The device side: what virtio and the legacy devices may do. A range that is not wholly RAM,
// wraps, or touches a private page is refused with `permission_denied` (private, and counted) or
// `invalid_argument` (no RAM there).
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  virtual Result<void> read(GuestAddress from, std::span<uint8_t> to) = 0;
  virtual Result<void> write(GuestAddress to, ByteView from) = 0;

  // `size` bytes of guest memory for bulk transfer (preadv, recv …), contiguous in the host. Move
  // bytes through it, never decide by them. Valid while the memory lives.
  virtual Result<std::span<uint8_t>> window(GuestAddress at, uint64_t size) = 0;

  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> read_object(GuestAddress from) {
    T object;
    auto done = read(from, {reinterpret_cast<uint8_t*>(&object), sizeof object});
    if (!done.ok()) return std::move(done).error();
    return object;
  }
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<void> write_object(GuestAddress to,
                                                                     const T& object) {
    return write(to, {reinterpret_cast<const uint8_t*>(&object), sizeof object});
  }
};

}  // namespace bartizan::vmm::memory
