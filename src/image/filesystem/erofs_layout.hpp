// Where EROFS metadata goes: the order of inodes, their places and the folders' entry blocks. Pure
// computation.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "bartizan/result.hpp"
#include "image/filesystem/tree.hpp"

namespace bartizan::image {

constexpr uint64_t kInodeBytes = 64;  // the extended form: 32-bit owners, 64-bit sizes, nanoseconds
// Ends of files up to this size sit behind their inode instead of in a block of their own.
constexpr uint64_t kMaxTail = 2048;

struct InodePlace {
  Inode* inode = nullptr;
  const Node* folder = nullptr;  // of a directory
  const Node* parent = nullptr;  // of a directory
  uint64_t position = 0;         // byte offset from the start of the metadata; nid = position / 32
  uint32_t links = 0;
  uint64_t size = 0;       // i_size
  uint32_t block = 0;      // first block of content
  uint32_t blocks = 0;     // that the finish phase writes (folders, long link targets)
  uint64_t tail_size = 0;  // behind the inode
};

// One entry of a folder in EROFS's order (bytewise), "." and ".." among the rest.
struct FolderEntry {
  std::string_view name;
  const Inode* inode;
};

class ErofsLayout {
 public:
  // `root` must be final: every node has an inode. `next_block`: the first free one. Errors:
  // resource_exhausted (more than EROFS can address).
  static Result<ErofsLayout> plan(const Node& root, uint32_t next_block);

  const std::vector<InodePlace>& places() const { return places_; }
  const InodePlace& place(const Inode* inode) const { return places_[index_.at(inode)]; }
  std::vector<FolderEntry> entries(const InodePlace& folder) const;
  // The folder's content: full blocks and, last, as many bytes as it takes.
  std::string folder_content(const InodePlace& folder) const;

  uint32_t metadata_block() const { return metadata_block_; }
  uint64_t metadata_bytes() const { return metadata_bytes_; }

 private:
  void collect(const Node& node, const Node& parent);
  void measure(InodePlace& place, uint64_t& next_block);
  void put(InodePlace& place);

  std::vector<InodePlace> places_;  // root first
  std::unordered_map<const Inode*, size_t> index_;
  uint32_t metadata_block_ = 0;
  uint64_t metadata_bytes_ = 0;
};

}  // namespace bartizan::image
