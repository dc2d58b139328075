// Where EROFS metadata goes: the order of inodes, their places and the folders' entry blocks. Pure
// computation.
#pragma once

#include <optional>
#include <vector>

#include "bartizan/result.hpp"
#include "image/filesystem/tree.hpp"

namespace bartizan::image::filesystem {

constexpr uint64_t kInodeBytes = 64;  // the extended form: 32-bit owners, 64-bit sizes, nanoseconds
constexpr uint64_t kSlot = 32;        // inodes begin at multiples of this, counted by their nid
// Ends of files up to this size sit behind their inode instead of in a block of their own.
constexpr uint64_t kMaxTail = 2048;

// Bytes of the content that are behind the inode, once its size is known.
uint64_t inline_bytes(const Inode& inode);
// Blocks that the finish phase writes: of folders and long link targets.
uint32_t late_blocks(const Inode& inode);

// One block of a folder's content; of the last one, as many bytes as it takes.
class FolderBlocks {
 public:
  FolderBlocks(const Tree& tree, NodeId folder);
  // Its size, 0 at the end; and, until the next call, its bytes.
  uint64_t next();
  Bytes encode() const;

 private:
  // Also of "." and "..".
  struct Entry {
    std::string_view name;
    const Inode* inode;
  };
  std::optional<Entry> next_entry();

  const Tree& tree_;
  NodeId folder_;
  Children children_;
  NodeId child_;  // not given yet
  size_t dots_ = 0;
  std::optional<Entry> entry_;  // that did not fit
  std::vector<Entry> block_;
  uint64_t bytes_ = 0;
};

class ErofsLayout {
 public:
  // `tree` must be final: every node has an inode, links are counted. `next_block`: the first free
  // one. Sets nid of all inodes; size and block of folders and links. Errors: resource_exhausted
  // (more than EROFS can address, or than our numbers hold).
  static Result<ErofsLayout> plan(Tree& tree, uint32_t next_block);

  // All inodes in their order, root first, each by the first of its names.
  const std::vector<NodeId>& order() const { return order_; }
  uint32_t metadata_block() const { return metadata_block_; }
  uint64_t metadata_bytes() const { return metadata_bytes_; }

 private:
  void collect(Tree& tree, NodeId id);
  void put(Inode& inode);

  std::vector<NodeId> order_;
  uint32_t metadata_block_ = 0;
  uint64_t metadata_bytes_ = 0;
};

}  // namespace bartizan::image::filesystem
