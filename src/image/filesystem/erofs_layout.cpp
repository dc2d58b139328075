#include "image/filesystem/erofs_layout.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "image/filesystem/block_sink.hpp"

namespace bartizan::image::filesystem {
namespace {

// nid 0 would make an inode number that readdir(3) takes for a hole
constexpr uint64_t kFirstSlot = 64;
constexpr uint64_t kDirentBytes = 12;  // struct erofs_dirent

uint8_t dirent_type(FileType type) {  // FT_* of linux/fs_types.h
  switch (type) {
    case FileType::regular:
      return 1;
    case FileType::directory:
      return 2;
    case FileType::char_device:
      return 3;
    case FileType::block_device:
      return 4;
    case FileType::fifo:
      return 5;
    case FileType::symlink:
      return 7;
    case FileType::alias:
      break;
  }
  return 0;
}

constexpr std::string_view kDots[] = {".", ".."};

// Sizes, and blocks for what of folders and links is not behind the inode.
uint64_t measure(Tree& tree, NodeId id, uint64_t next_block) {
  Inode& inode = tree.inode_of(id);
  if (inode.type == FileType::directory) {
    inode.size = 0;
    FolderBlocks blocks(tree, id);
    while (uint64_t bytes = blocks.next()) inode.size = align_up(inode.size, kBlockSize) + bytes;
  } else if (inode.type == FileType::symlink) {
    inode.size = inode.tail_bytes;
  }
  uint32_t blocks = late_blocks(inode);
  if (blocks != 0) inode.block = static_cast<uint32_t>(next_block);
  return next_block + blocks;
}

}  // namespace

// A tail must end in the block in which its inode begins, so what would not fit there takes blocks.
uint64_t inline_bytes(const Inode& inode) {
  if (inode.type == FileType::regular) return inode.tail_bytes;
  uint64_t space = kBlockSize - std::min<uint64_t>(kBlockSize, kInodeBytes + inode.xattr_bytes());
  uint64_t rest = inode.size % kBlockSize;
  return rest > std::min(space, kMaxTail) ? 0 : rest;
}

uint32_t late_blocks(const Inode& inode) {
  if (inode.type != FileType::directory && inode.type != FileType::symlink) return 0;
  uint64_t bytes = inode.size - inline_bytes(inode);
  return static_cast<uint32_t>((bytes + kBlockSize - 1) / kBlockSize);
}

FolderBlocks::FolderBlocks(const Tree& tree, NodeId folder)
    : tree_(tree), folder_(folder), children_(tree, folder), child_(children_.next()) {
  entry_ = next_entry();
}

std::optional<FolderBlocks::Entry> FolderBlocks::next_entry() {
  if (dots_ < std::size(kDots) && (child_ == 0 || kDots[dots_] < tree_.name(child_))) {
    NodeId parent = folder_ == Tree::kRoot ? folder_ : tree_.node(folder_).parent;
    NodeId shown = dots_ == 0 ? folder_ : parent;
    return Entry{kDots[dots_++], &tree_.inode_of(shown)};
  }
  if (child_ == 0) return std::nullopt;
  NodeId child = std::exchange(child_, children_.next());
  return Entry{tree_.name(child), &tree_.inode_of(child)};
}

uint64_t FolderBlocks::next() {
  block_.clear();
  bytes_ = 0;
  while (entry_ && bytes_ + kDirentBytes + entry_->name.size() <= kBlockSize) {
    bytes_ += kDirentBytes + entry_->name.size();
    block_.push_back(*entry_);
    entry_ = next_entry();
  }
  return bytes_;
}

Bytes FolderBlocks::encode() const {
  Bytes content(bytes_);
  uint8_t* entry = content.data();
  size_t name_at = block_.size() * kDirentBytes;
  for (const auto& [name, inode] : block_) {
    store_le<uint64_t>(entry, inode->nid);
    store_le<uint16_t>(entry + 8, static_cast<uint16_t>(name_at));
    entry[10] = dirent_type(inode->type);
    std::copy(name.begin(), name.end(), content.begin() + static_cast<ptrdiff_t>(name_at));
    entry += kDirentBytes;
    name_at += name.size();
  }
  return content;
}

Result<ErofsLayout> ErofsLayout::plan(Tree& tree, uint32_t next_block) {
  ErofsLayout layout;
  layout.order_.reserve(tree.names());
  layout.collect(tree, Tree::kRoot);
  uint64_t block = next_block;
  for (NodeId id : layout.order_) block = measure(tree, id, block);
  layout.metadata_bytes_ = kFirstSlot;
  for (NodeId id : layout.order_) layout.put(tree.inode_of(id));
  if (block + layout.metadata_bytes_ / kBlockSize + 1 > UINT32_MAX ||
      layout.metadata_bytes_ / kSlot > UINT32_MAX) {
    return make_error(ErrorCode::resource_exhausted, "image/filesystem",
                      "file system: {} blocks of 4096 bytes and {} bytes of metadata are more than "
                      "EROFS can address",
                      block, layout.metadata_bytes_);
  }
  layout.metadata_block_ = static_cast<uint32_t>(block);
  return layout;
}

// Depth first, so that a folder's inode is near those of its files. Depth is bounded by
// split_path().
void ErofsLayout::collect(Tree& tree, NodeId id) {
  constexpr uint32_t kMet = 1;  // until it has its place
  Inode& inode = tree.inode_of(id);
  if (inode.nid == kMet) return;
  inode.nid = kMet;
  order_.push_back(id);
  Children children(tree, id);
  while (NodeId child = children.next()) collect(tree, child);
}

void ErofsLayout::put(Inode& inode) {
  uint64_t tail = inline_bytes(inode);
  uint64_t core = kInodeBytes + inode.xattr_bytes() + tail;
  uint64_t position = align_up(metadata_bytes_, kSlot);
  uint64_t together = tail > 0 ? core : kInodeBytes;  // must not straddle blocks
  if (position % kBlockSize + together > kBlockSize) position = align_up(position, kBlockSize);
  inode.nid = static_cast<uint32_t>(position / kSlot);
  metadata_bytes_ = position + core;
}

}  // namespace bartizan::image::filesystem
