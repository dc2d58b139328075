// BlockSink: where a file system's bytes go, by offset from the file system's start. Mostly one run
// upwards; a jump must begin and end at multiples of kBlockSize.
#pragma once

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::image::filesystem {

class BlockSink {
 public:
  virtual ~BlockSink() = default;
  virtual Result<void> write(uint64_t offset, ByteView bytes) = 0;
};

}  // namespace bartizan::image::filesystem
