// Blocks: what libext2fs reads its metadata through, instead of a device: blocks of a DiskBytes,
// the last ones remembered, each counted against an allowance. A hostile tree of extents can lead
// the library to the same blocks again and again, for years; with an allowance for each call it
// ends with an error. One thread.
#pragma once

#include <ext2fs/ext2fs.h>

#include <array>
#include <optional>

#include "bartizan/error.hpp"
#include "image/ext4/disk_bytes.hpp"

namespace bartizan::image::ext4 {

class Blocks {
 public:
  explicit Blocks(DiskBytes& disk) : disk_(disk) {}  // borrowed
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  // Opens the file system, for reading. Lives no longer than this object.
  errcode_t open(ext2_filsys* fs);

  // How many blocks may be read from here on.
  void allow(uint64_t blocks) { allowed_ = blocks; }
  bool exhausted() const { return exhausted_; }
  // Of the disk, if that is why the library failed.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  friend struct BlockManager;
  static constexpr size_t kRemembered = 256;
  struct Slot {
    uint64_t number = 0;  // of the block, plus one
    Bytes bytes;
  };
  errcode_t read(uint64_t block, int count, uint8_t* to);
  errcode_t read_bytes(uint64_t offset, std::span<uint8_t> to);
  void set_block_size(uint32_t bytes);

  DiskBytes& disk_;
  uint32_t block_size_ = 1024;
  uint64_t allowed_ = 0;
  bool exhausted_ = false;
  std::optional<Error> failure_;
  std::array<Slot, kRemembered> slots_;
};

}  // namespace bartizan::image::ext4
