// The file system in memory: names, and of each inode what must be at hand. Content has gone to
// disk when an Inode points to it; owners, times, attributes, targets and ends of files wait in a
// Spill. Both structs are small because images have millions of names, and numbers take the place
// of pointers for the same reason.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"
#include "image/filesystem/spill.hpp"

namespace bartizan::image::filesystem {

using NodeId = uint32_t;   // 0: none
using InodeId = uint32_t;  // 0: none

// Names cost memory here and in the guest; more come from a bomb (a zstd layer can hold millions in
// a few KiB). Inodes are bounded by the same number.
constexpr uint32_t kMaxNames = 2'000'000;
// 24 bytes for each of so many names, 48 for a million. A bomb has names of 255 bytes.
constexpr uint32_t kMaxNameBytes = 48 * kMiB;

enum class FileType : uint8_t {
  regular,
  directory,
  symlink,
  char_device,
  block_device,
  fifo,
  alias  // a hard link found to be another inode: `block` is its number
};

struct Inode {
  uint64_t size = 0;    // of a regular file, of a link's target; of a folder when it is laid out
  uint32_t block = 0;   // first one of the content, if any is in blocks; a device's number
  uint32_t record = 0;  // where its Attributes are; 0: as nobody gave them
  uint32_t links = 0;
  uint32_t nid = 0;  // EROFS's number: where it lies
  FileType type = FileType::directory;
  uint16_t mode = 0755;      // permission bits
  uint16_t xattr_words = 0;  // size of Attributes::xattrs, in units of 4 bytes
  uint16_t tail_bytes = 0;   // size of Attributes::tail

  size_t xattr_bytes() const { return size_t{xattr_words} * 4; }
};
static_assert(sizeof(Inode) == 32);

struct Attributes {
  uint32_t uid = 0, gid = 0;
  int64_t mtime = 0;
  uint32_t mtime_nsec = 0;
  std::string xattrs;  // encoded as EROFS stores them (xattrs.hpp); empty: none
  std::string tail;    // the end of the content, behind its blocks; or a symbolic link's target
};

// One name. Layers are numbered from 1 (lowest) and arrive highest first; a mark N hides what
// layers below N give.
struct Node {
  NodeId parent = 0;
  NodeId left = 0, right = 0;  // its parent's other children, ordered as a treap
  NodeId children = 0;         // the treap's root
  uint32_t name = 0;           // where the tree keeps it
  InodeId inode = 0;           // 0: nobody gave it yet, a child or a mark implies it
  uint16_t layer = 0;          // that gave the inode
  uint16_t whiteout = 0;       // hides here and below
  uint16_t opaque = 0;         // hides below only
  // That had something hidden below: if nobody gives it, it is an empty folder.
  uint16_t implied = 0;
};
static_assert(sizeof(Node) == 32);

// Numbered from 1, never moved, freed all together.
template <typename T>
class Arena {
 public:
  uint32_t size() const { return size_; }
  uint32_t add() {
    if (size_ % kChunk == 0) chunks_.push_back(std::make_unique<T[]>(kChunk));
    return ++size_;
  }
  T& operator[](uint32_t id) { return chunks_[(id - 1) / kChunk][(id - 1) % kChunk]; }
  const T& operator[](uint32_t id) const { return chunks_[(id - 1) / kChunk][(id - 1) % kChunk]; }

 private:
  static constexpr uint32_t kChunk = 512;
  std::vector<std::unique_ptr<T[]>> chunks_;
  uint32_t size_ = 0;
};

class Tree {
 public:
  static constexpr NodeId kRoot = 1;

  // `folder`: for what does not stay in memory.
  explicit Tree(std::filesystem::path folder);

  Node& node(NodeId id) { return nodes_[id]; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  Inode& inode(InodeId id) { return inodes_[id]; }
  const Inode& inode(InodeId id) const { return inodes_[id]; }
  Inode& inode_of(NodeId id) { return inodes_[nodes_[id].inode]; }
  const Inode& inode_of(NodeId id) const { return inodes_[nodes_[id].inode]; }
  std::string_view name(NodeId id) const;
  uint32_t names() const { return nodes_.size(); }

  NodeId find(NodeId folder, std::string_view name) const;
  // Found or made. resource_exhausted: the limits above; `what` names the owner.
  Result<NodeId> child(NodeId folder, std::string_view name, std::string_view what);
  // The same for a name that some node has already.
  Result<NodeId> child_like(NodeId folder, NodeId namesake, std::string_view what);
  void erase(NodeId child);
  void clear_children(NodeId folder) { nodes_[folder].children = 0; }
  // As they are now, by name; the tree may change meanwhile.
  std::vector<NodeId> children(NodeId folder) const;

  Result<InodeId> make_inode(std::string_view what);
  // The inode that is finally meant.
  InodeId resolve(InodeId id) const;
  // Once for each inode. resource_exhausted: more than a record's number can count.
  Result<void> set_attributes(InodeId id, const Attributes& attributes);
  Result<Attributes> attributes(InodeId id);

  // When every node has an inode, none of them an alias: counts links as a file system does.
  struct Totals {
    uint64_t entries = 0;        // names, the root not counted
    uint64_t content_bytes = 0;  // of regular files; once for all names of one
  };
  Totals count_links();

 private:
  friend class Children;
  NodeId* place_of(NodeId folder, std::string_view name);
  Result<NodeId> insert(NodeId folder, uint32_t name, std::string_view what);
  Result<uint32_t> keep_name(std::string_view name, std::string_view what);
  std::string_view name_at(uint32_t at) const;
  uint64_t priority(NodeId id) const;
  void split(NodeId from, std::string_view name, NodeId* lower, NodeId* higher);
  NodeId join(NodeId lower, NodeId higher);

  static constexpr uint32_t kNamesChunk = 1 << 16;
  Arena<Node> nodes_;
  Arena<Inode> inodes_;
  std::vector<std::unique_ptr<char[]>> names_;  // each after a byte with its length
  uint32_t names_end_ = 0;
  uint64_t seed_ = 0;
  Spill spill_;
};

// The children of a folder one by one, by name (bytewise). The tree must not change meanwhile.
class Children {
 public:
  Children(const Tree& tree, NodeId folder) : tree_(tree) { descend(tree.node(folder).children); }
  NodeId next() {  // 0 at the end
    if (waiting_.empty()) return 0;
    NodeId id = waiting_.back();
    waiting_.pop_back();
    descend(tree_.node(id).right);
    return id;
  }

 private:
  void descend(NodeId id) {
    for (; id != 0; id = tree_.node(id).left) waiting_.push_back(id);
  }
  const Tree& tree_;
  std::vector<NodeId> waiting_;
};

}  // namespace bartizan::image::filesystem
