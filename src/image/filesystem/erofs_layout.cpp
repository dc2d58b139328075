#include "image/filesystem/erofs_layout.hpp"

#include <algorithm>
#include "base/bytes.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "image/filesystem/block_sink.hpp"

namespace bartizan::image {
namespace {

constexpr uint64_t kSlot = 32;  // inodes begin at multiples of this
constexpr uint64_t kFirstSlot =
    64;  // nid 0 would make an inode number that readdir(3) takes for a hole
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
  }
  return 0;
}

// How many of `entries` from `begin` fit into one block, and the bytes they take.
size_t entries_of_block(const std::vector<FolderEntry>& entries, size_t begin, uint64_t& bytes) {
  size_t end = begin;
  bytes = 0;
  while (end < entries.size() && bytes + kDirentBytes + entries[end].name.size() <= kBlockSize) {
    bytes += kDirentBytes + entries[end++].name.size();
  }
  return end - begin;
}

uint64_t content_size(const std::vector<FolderEntry>& entries) {
  uint64_t size = 0, bytes = 0;
  for (size_t begin = 0; begin < entries.size();) {
    size = align_up(size, kBlockSize);
    begin += entries_of_block(entries, begin, bytes);
    size += bytes;
  }
  return size;
}

}  // namespace

Result<ErofsLayout> ErofsLayout::plan(const Node& root, uint32_t next_block) {
  ErofsLayout layout;
  layout.collect(root, root);
  uint64_t block = next_block;
  for (InodePlace& place : layout.places_) layout.measure(place, block);
  layout.metadata_bytes_ = kFirstSlot;
  for (InodePlace& place : layout.places_) layout.put(place);
  if (block + layout.metadata_bytes_ / kBlockSize + 1 > UINT32_MAX) {
    return make_error(ErrorCode::resource_exhausted, "image/filesystem",
                      "file system: {} blocks of 4096 bytes are more than EROFS can address",
                      block);
  }
  layout.metadata_block_ = static_cast<uint32_t>(block);
  return layout;
}

// Depth first, so that a folder's inode is near those of its files. Depth is bounded by
// split_path().
void ErofsLayout::collect(const Node& node, const Node& parent) {
  Inode* inode = node.inode.get();
  auto [at, fresh] = index_.try_emplace(inode, places_.size());
  if (fresh) places_.push_back({.inode = inode, .block = inode->first_block});
  bool folder = inode->type == FileType::directory;
  size_t self = at->second;
  ++places_[self].links;
  if (!folder) return;
  places_[self].folder = &node;
  places_[self].parent = &parent;
  ++places_[self].links;  // "."
  for (const auto& [name, child] : node.children) {
    if (child->inode->type == FileType::directory) ++places_[self].links;  // its ".."
    collect(*child, node);
  }
}

std::vector<FolderEntry> ErofsLayout::entries(const InodePlace& folder) const {
  std::vector<FolderEntry> list = {{".", folder.inode}, {"..", folder.parent->inode.get()}};
  for (const auto& [name, child] : folder.folder->children)
    list.push_back({name, child->inode.get()});
  std::sort(list.begin(), list.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return list;
}

std::string ErofsLayout::folder_content(const InodePlace& folder) const {
  std::vector<FolderEntry> list = entries(folder);
  std::string content;
  uint64_t bytes = 0;
  for (size_t begin = 0; begin < list.size();) {
    content.resize(align_up(content.size(), kBlockSize));
    size_t count = entries_of_block(list, begin, bytes), start = content.size();
    content.resize(start + bytes);
    auto* out = reinterpret_cast<uint8_t*>(content.data()) + start;
    uint64_t name_at = count * kDirentBytes;
    for (size_t i = 0; i < count; ++i) {
      const FolderEntry& entry = list[begin + i];
      store_le<uint64_t>(out + i * kDirentBytes, place(entry.inode).position / kSlot);
      store_le<uint16_t>(out + i * kDirentBytes + 8, static_cast<uint16_t>(name_at));
      out[i * kDirentBytes + 10] = dirent_type(entry.inode->type);
      std::copy(entry.name.begin(), entry.name.end(), out + name_at);
      name_at += entry.name.size();
    }
    begin += count;
  }
  return content;
}

// Sizes, and which part of the content goes behind the inode. A tail must end in the block in which
// its inode begins, so what would not fit there takes blocks.
void ErofsLayout::measure(InodePlace& place, uint64_t& next_block) {
  const Inode& inode = *place.inode;
  bool folder = inode.type == FileType::directory;
  if (inode.type == FileType::regular) {
    place.size = inode.size;
    place.tail_size = inode.tail.size();
    return;
  }
  place.size = folder ? content_size(entries(place)) : inode.tail.size();
  place.tail_size = place.size % kBlockSize;
  uint64_t room = kBlockSize - std::min<uint64_t>(kBlockSize, kInodeBytes + inode.xattrs.size());
  if (place.tail_size > std::min(room, kMaxTail)) place.tail_size = 0;
  place.blocks =
      static_cast<uint32_t>((place.size - place.tail_size + kBlockSize - 1) / kBlockSize);
  if (place.blocks == 0) return;
  place.block = static_cast<uint32_t>(next_block);
  next_block += place.blocks;
}

void ErofsLayout::put(InodePlace& place) {
  uint64_t core = kInodeBytes + place.inode->xattrs.size() + place.tail_size;
  uint64_t position = align_up(metadata_bytes_, kSlot);
  uint64_t together = place.tail_size > 0 ? core : kInodeBytes;  // must not straddle blocks
  if (position % kBlockSize + together > kBlockSize) position = align_up(position, kBlockSize);
  place.position = position;
  metadata_bytes_ = position + core;
}

}  // namespace bartizan::image
