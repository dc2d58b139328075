// ErofsWriter: one read-only EROFS (Linux 5.15 and later, no compression) in one pass: content
// first, as it streams by, then folders, then inodes, and at last the superblock. The same tree and
// contents make the same bytes.
//
//   for each file:  begin_file(inode) · append(bytes)… · end_file()
//   at the end:     finish(root, uuid)
//
// Where everything goes depends on sizes alone: count() instead of append() tells the superblock
// of a file system before its contents are known.
//
// Format: Linux fs/erofs/erofs_fs.h. One thread.
#pragma once

#include <array>
#include <optional>

#include "image/filesystem/block_sink.hpp"
#include "image/filesystem/tree.hpp"

namespace bartizan::image {

class ErofsLayout;
struct InodePlace;

class ErofsWriter {
 public:
  explicit ErofsWriter(BlockSink& sink) : sink_(sink) {}

  // Sets size, first_block and tail of `inode`, whose xattrs must be final.
  Result<void> begin_file(Inode& inode);
  Result<void> append(ByteView bytes);
  // As many bytes that nobody wants to read: what the sink gets for them is not a file system.
  void count(uint64_t bytes);
  Result<void> end_file();

  // Precondition: every node has an inode, and those with content went through begin_file().
  // Returns the size of the file system, a multiple of 4096.
  Result<uint64_t> finish(const Node& root, const std::array<uint8_t, 16>& uuid);

 private:
  Result<void> emit(ByteView bytes);
  Result<void> pad_to_block();
  Result<void> write_contents(const ErofsLayout& layout);
  Result<void> write_inodes(const ErofsLayout& layout);
  Result<void> write_superblock(const ErofsLayout& layout, const std::array<uint8_t, 16>& uuid);

  BlockSink& sink_;
  uint64_t position_ = kBlockSize;  // block 0 is the superblock's, written last
  Inode* file_ = nullptr;
  Bytes partial_;            // the current file's last, incomplete block
  uint64_t tails_held_ = 0;  // bytes of tails in memory
};

}  // namespace bartizan::image
