// DiskBytes: a disk of which any part can be read: one that is decrypted on the way, a test's
// buffer. One thread.
#pragma once

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::image::ext4 {

class DiskBytes {
 public:
  virtual ~DiskBytes() = default;
  virtual uint64_t size() const = 0;
  // Precondition: offset + to.size() <= size().
  virtual Result<void> read(uint64_t offset, std::span<uint8_t> to) = 0;
};

}  // namespace bartizan::image::ext4
