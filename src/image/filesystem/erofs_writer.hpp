// ErofsWriter: one read-only EROFS (Linux 5.15 and later, no compression) in one pass: content
// first, as it streams by, then folders, then inodes, and at last the superblock. The same tree and
// contents make the same bytes.
//
//   for each file:  begin_file() · append(bytes)… · end_file()
//   at the end:     finish(tree, uuid)
//
// Where everything goes depends on sizes alone: count() instead of append() computes the superblock
// of a file system before its contents are known.
//
// Format: Linux fs/erofs/erofs_fs.h. One thread.
#pragma once

#include <array>

#include "base/units.hpp"
#include "image/filesystem/block_sink.hpp"
#include "image/filesystem/tree.hpp"

namespace bartizan::image::filesystem {

class ErofsLayout;

class ErofsWriter {
 public:
  explicit ErofsWriter(BlockSink& sink) : sink_(sink) {}

  // Where a file's content went: whole blocks, and what goes behind the inode, valid until the next
  // file.
  struct Content {
    uint64_t size = 0;
    uint32_t block = 0;
    ByteView tail;
  };
  Result<void> begin_file();
  Result<void> append(ByteView bytes);
  // As many bytes that nobody wants to read: of such a file system the sink gets the superblock
  // alone.
  void count(uint64_t bytes);
  // `xattr_bytes`: what goes behind the inode besides the tail.
  Result<Content> end_file(size_t xattr_bytes);

  // Precondition: that of ErofsLayout::plan(); inodes of files hold what end_file() returned.
  // Returns the size of the file system, a multiple of 4096.
  Result<uint64_t> finish(Tree& tree, const std::array<uint8_t, 16>& uuid);

 private:
  Result<void> emit(ByteView bytes);
  Result<void> pad_to_block();
  Result<void> write_folder(const Tree& tree, NodeId folder);
  Result<void> write_contents(Tree& tree, const ErofsLayout& layout);
  Result<void> write_inode(Tree& tree, NodeId id, uint32_t number);
  Result<void> write_inodes(Tree& tree, const ErofsLayout& layout);
  Result<void> write_superblock(const Tree& tree, const ErofsLayout& layout,
                                const std::array<uint8_t, 16>& uuid);

  BlockSink& sink_;
  uint64_t position_ = kBlockSize;  // block 0 is the superblock's, written last
  Content file_;                    // the current one
  Bytes partial_;                   // its last, incomplete block
  bool counted_ = false;
};

}  // namespace bartizan::image::filesystem
