// ByteSource: bytes that come one after the other: a blob, a decompressor over it, a test's buffer.
// One thread.
#pragma once

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/errors.hpp"

namespace bartizan::image::tar {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills a part of `to` and returns how much; 0 is the end (for a non-empty `to`).
  virtual Result<size_t> read(std::span<uint8_t> to) = 0;

  // The next bytes, no more than `space` holds, wherever they are: in `space`, or in the
  // source's own buffer, without a copy. Valid until the next call; empty at the end.
  virtual Result<ByteView> take(std::span<uint8_t> space) {
    return ByteView(space.first(TRY(read(space))));
  }

  // Passes over up to `count` bytes and returns how many there were. Sources that can seek override
  // it.
  virtual Result<uint64_t> skip(uint64_t count) {
    std::array<uint8_t, 65536> discarded;
    uint64_t done = 0;
    while (done < count) {
      size_t part = std::min<uint64_t>(discarded.size(), count - done);
      size_t got = TRY(read(std::span(discarded).first(part)));
      if (got == 0) break;
      done += got;
    }
    return done;
  }
};

// Reads until `to` is full or the source ends; returns how much.
inline Result<size_t> read_full(ByteSource& source, std::span<uint8_t> to) {
  size_t done = 0;
  while (done < to.size()) {
    size_t got = TRY(source.read(to.subspan(done)));
    if (got == 0) break;
    done += got;
  }
  return done;
}

// Bytes that are in memory already.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : bytes_(bytes) {}
  Result<size_t> read(std::span<uint8_t> to) override {
    size_t count = std::min(to.size(), bytes_.size());
    std::copy_n(bytes_.begin(), count, to.begin());
    bytes_ = bytes_.subspan(count);
    return count;
  }

 private:
  ByteView bytes_;
};

}  // namespace bartizan::image::tar
