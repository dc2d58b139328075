#include "image/filesystem/erofs_writer.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "image/filesystem/erofs_layout.hpp"

namespace bartizan::image::filesystem {
namespace {

// struct erofs_super_block
constexpr uint64_t kSuperOffset = 1024;
constexpr uint32_t kMagic = 0xe0f5e1e2;
constexpr uint32_t kCompatChecksum = 1, kCompatMtime = 2;
constexpr uint8_t kBlockBits = 12;

// struct erofs_inode_extended: i_format is version 1 with the layout in bits 1 to 3.
constexpr uint16_t kFlatPlain = 1 | 0 << 1, kFlatInline = 1 | 2 << 1;

uint32_t crc32c(
    ByteView bytes) {  // polynomial 0x1edc6f41, reflected; no final inversion, as EROFS stores it
  uint32_t crc = ~0u;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc;
}

uint16_t full_mode(const Inode& inode) {
  constexpr uint16_t kTypes[] = {0100000, 0040000, 0120000, 0020000, 0060000, 0010000};
  return static_cast<uint16_t>(kTypes[static_cast<size_t>(inode.type)] | inode.mode);
}

std::array<uint8_t, kInodeBytes> encode_inode(const Inode& inode, const Attributes& attributes,
                                              uint32_t number) {
  std::array<uint8_t, kInodeBytes> raw{};
  store_le(&raw[0], inline_bytes(inode) > 0 ? kFlatInline : kFlatPlain);
  if (inode.xattr_words > 0) {  // the body is a header of 12 bytes and words of 4
    store_le(&raw[2], static_cast<uint16_t>(inode.xattr_words - 12 / 4 + 1));
  }
  store_le(&raw[4], full_mode(inode));
  store_le<uint64_t>(&raw[8], inode.size);
  store_le<uint32_t>(&raw[16], inode.block);
  store_le<uint32_t>(&raw[20], number);
  store_le<uint32_t>(&raw[24], attributes.uid);
  store_le<uint32_t>(&raw[28], attributes.gid);
  store_le<int64_t>(&raw[32], attributes.mtime);
  store_le<uint32_t>(&raw[40], attributes.mtime_nsec);
  store_le<uint32_t>(&raw[44], inode.links);
  return raw;
}

}  // namespace

Result<void> ErofsWriter::emit(ByteView bytes) {
  if (bytes.empty()) return {};
  TRY(sink_.write(position_, bytes));
  position_ += bytes.size();
  return {};
}

Result<void> ErofsWriter::pad_to_block() {
  static constexpr std::array<uint8_t, kBlockSize> zeros{};
  return emit(ByteView(zeros).first(align_up(position_, kBlockSize) - position_));
}

Result<void> ErofsWriter::begin_file() {
  if (position_ / kBlockSize > UINT32_MAX) {
    return make_error(ErrorCode::resource_exhausted, "image/filesystem",
                      "file system: more blocks than EROFS can address");
  }
  file_ = {.block = static_cast<uint32_t>(position_ / kBlockSize)};
  partial_.clear();
  return {};
}

// Whole blocks go on at once, the rest waits in partial_.
Result<void> ErofsWriter::append(ByteView bytes) {
  file_.size += bytes.size();
  if (!partial_.empty()) {
    size_t part = std::min<size_t>(kBlockSize - partial_.size(), bytes.size());
    partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (partial_.size() < kBlockSize) return {};
    TRY(emit(partial_));
    partial_.clear();
  }
  size_t whole = align_down(bytes.size(), kBlockSize);
  TRY(emit(bytes.first(whole)));
  partial_.assign(bytes.begin() + static_cast<ptrdiff_t>(whole), bytes.end());
  return {};
}

void ErofsWriter::count(uint64_t bytes) {
  counted_ = true;
  file_.size += bytes;
  uint64_t all = partial_.size() + bytes;
  position_ += align_down(all, kBlockSize);
  partial_.resize(all % kBlockSize);
}

Result<ErofsWriter::Content> ErofsWriter::end_file(size_t xattr_bytes) {
  if (partial_.empty()) return file_;
  bool fits = kInodeBytes + xattr_bytes + partial_.size() <= kBlockSize;
  if (fits && partial_.size() <= kMaxTail) {
    file_.tail = partial_;
    return file_;
  }
  TRY(emit(partial_));
  TRY(pad_to_block());
  return file_;
}

Result<void> ErofsWriter::write_folder(const Tree& tree, NodeId folder) {
  FolderBlocks blocks(tree, folder);
  for (uint32_t left = late_blocks(tree.inode_of(folder)); left > 0; --left) {
    blocks.next();
    TRY(emit(blocks.encode()));
    TRY(pad_to_block());
  }
  return {};
}

// Folders and long link targets, in the blocks that the layout gave them.
Result<void> ErofsWriter::write_contents(Tree& tree, const ErofsLayout& layout) {
  for (NodeId id : layout.order()) {
    const Inode& inode = tree.inode_of(id);
    if (inode.type == FileType::directory) {
      TRY(write_folder(tree, id));
    } else if (late_blocks(inode) > 0) {
      TRY(emit(as_bytes(TRY(tree.attributes(tree.node(id).inode)).tail)));
      TRY(pad_to_block());
    }
  }
  return {};
}

Result<void> ErofsWriter::write_inode(Tree& tree, NodeId id, uint32_t number) {
  const Inode& inode = tree.inode_of(id);
  Attributes attributes = TRY(tree.attributes(tree.node(id).inode));
  TRY(emit(encode_inode(inode, attributes, number)));
  TRY(emit(as_bytes(attributes.xattrs)));
  if (inline_bytes(inode) == 0) return {};
  if (inode.type != FileType::directory) return emit(as_bytes(attributes.tail));
  FolderBlocks blocks(tree, id);
  for (uint32_t before = late_blocks(inode); before > 0; --before) blocks.next();
  blocks.next();
  return emit(blocks.encode());
}

Result<void> ErofsWriter::write_inodes(Tree& tree, const ErofsLayout& layout) {
  const uint64_t start = position_;
  const Bytes zeros(kBlockSize);
  uint32_t number = 0;
  for (NodeId id : layout.order()) {
    uint64_t at = start + tree.inode_of(id).nid * kSlot;
    TRY(emit(ByteView(zeros).first(at - position_)));
    TRY(write_inode(tree, id, ++number));
  }
  return pad_to_block();
}

Result<void> ErofsWriter::write_superblock(const Tree& tree, const ErofsLayout& layout,
                                           const std::array<uint8_t, 16>& uuid) {
  Bytes block(kBlockSize);
  uint8_t* super = block.data() + kSuperOffset;
  store_le<uint32_t>(super, kMagic);
  store_le<uint32_t>(super + 8, kCompatChecksum | kCompatMtime);
  super[12] = kBlockBits;
  store_le<uint16_t>(super + 14, static_cast<uint16_t>(tree.inode_of(Tree::kRoot).nid));
  store_le<uint64_t>(super + 16, layout.order().size());
  store_le<uint32_t>(super + 36, static_cast<uint32_t>(position_ / kBlockSize));
  store_le<uint32_t>(super + 40, layout.metadata_block());
  std::copy(uuid.begin(), uuid.end(), super + 48);
  store_le<uint32_t>(super + 4, crc32c(ByteView(block).subspan(kSuperOffset)));
  return sink_.write(0, block);
}

Result<uint64_t> ErofsWriter::finish(Tree& tree, const std::array<uint8_t, 16>& uuid) {
  auto layout = TRY(ErofsLayout::plan(tree, static_cast<uint32_t>(position_ / kBlockSize)));
  if (counted_) {
    position_ = layout.metadata_block() * uint64_t{kBlockSize} +
                align_up(layout.metadata_bytes(), kBlockSize);
  } else {
    TRY(write_contents(tree, layout));
    TRY(write_inodes(tree, layout));
  }
  TRY(write_superblock(tree, layout, uuid));
  return position_;
}

}  // namespace bartizan::image::filesystem
