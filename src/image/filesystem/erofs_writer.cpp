#include "image/filesystem/erofs_writer.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "image/filesystem/erofs_layout.hpp"

namespace bartizan::image {
namespace {

// Tails wait in memory for their inodes. Beyond this sum, files get whole blocks: memory stays
// bounded for any image.
constexpr uint64_t kMaxTailsHeld = 64 << 20;

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

uint32_t device_number(const Inode& inode) {  // Linux new_encode_dev()
  return (inode.device_minor & 0xff) | inode.device_major << 8 |
         (inode.device_minor & ~0xffu) << 12;
}

bool is_device(const Inode& inode) {
  return inode.type == FileType::char_device || inode.type == FileType::block_device;
}

std::array<uint8_t, kInodeBytes> encode_inode(const InodePlace& place, uint32_t number) {
  const Inode& inode = *place.inode;
  std::array<uint8_t, kInodeBytes> raw{};
  store_le(&raw[0], place.tail_size > 0 ? kFlatInline : kFlatPlain);
  if (!inode.xattrs.empty()) {  // the body is a header of 12 bytes and words of 4
    store_le(&raw[2], static_cast<uint16_t>((inode.xattrs.size() - 12) / 4 + 1));
  }
  store_le(&raw[4], full_mode(inode));
  store_le<uint64_t>(&raw[8], place.size);
  store_le<uint32_t>(&raw[16], is_device(inode) ? device_number(inode) : place.block);
  store_le<uint32_t>(&raw[20], number);
  store_le<uint32_t>(&raw[24], inode.uid);
  store_le<uint32_t>(&raw[28], inode.gid);
  store_le<int64_t>(&raw[32], inode.mtime);
  store_le<uint32_t>(&raw[40], inode.mtime_nsec);
  store_le<uint32_t>(&raw[44], place.links);
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

Result<void> ErofsWriter::begin_file(Inode& inode) {
  if (position_ / kBlockSize > UINT32_MAX) {
    return make_error(ErrorCode::resource_exhausted, "image/filesystem",
                      "file system: more blocks than EROFS can address");
  }
  file_ = &inode;
  inode.size = 0;
  inode.first_block = static_cast<uint32_t>(position_ / kBlockSize);
  inode.tail.clear();
  partial_.clear();
  return {};
}

// Whole blocks go on at once, the rest waits in partial_.
Result<void> ErofsWriter::append(ByteView bytes) {
  file_->size += bytes.size();
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
  file_->size += bytes;
  uint64_t all = partial_.size() + bytes;
  position_ += align_down(all, kBlockSize);
  partial_.resize(all % kBlockSize);
}

Result<void> ErofsWriter::end_file() {
  Inode& inode = *std::exchange(file_, nullptr);
  if (partial_.empty()) return {};
  bool fits = kInodeBytes + inode.xattrs.size() + partial_.size() <= kBlockSize;
  if (fits && partial_.size() <= kMaxTail && tails_held_ + partial_.size() <= kMaxTailsHeld) {
    tails_held_ += partial_.size();
    inode.tail.assign(partial_.begin(), partial_.end());
    return {};
  }
  TRY(emit(partial_));
  return pad_to_block();
}

// Folders and long link targets, in the blocks that the layout gave them.
Result<void> ErofsWriter::write_contents(const ErofsLayout& layout) {
  for (const InodePlace& place : layout.places()) {
    if (place.blocks == 0) continue;
    bool folder = place.inode->type == FileType::directory;
    std::string content = folder ? layout.folder_content(place) : place.inode->tail;
    content.resize(place.size - place.tail_size);
    TRY(emit(as_bytes(content)));
    TRY(pad_to_block());
  }
  return {};
}

Result<void> ErofsWriter::write_inodes(const ErofsLayout& layout) {
  const uint64_t start = position_;
  const Bytes zeros(kBlockSize);
  uint32_t number = 0;
  for (const InodePlace& place : layout.places()) {
    TRY(emit(ByteView(zeros).first(start + place.position - position_)));
    TRY(emit(encode_inode(place, ++number)));
    TRY(emit(as_bytes(place.inode->xattrs)));
    if (place.tail_size == 0) continue;
    bool folder = place.inode->type == FileType::directory;
    std::string content = folder ? layout.folder_content(place) : place.inode->tail;
    TRY(emit(as_bytes(content).last(place.tail_size)));
  }
  return pad_to_block();
}

Result<void> ErofsWriter::write_superblock(const ErofsLayout& layout,
                                           const std::array<uint8_t, 16>& uuid) {
  Bytes block(kBlockSize);
  uint8_t* super = block.data() + kSuperOffset;
  store_le<uint32_t>(super, kMagic);
  store_le<uint32_t>(super + 8, kCompatChecksum | kCompatMtime);
  super[12] = kBlockBits;
  store_le<uint16_t>(super + 14, static_cast<uint16_t>(layout.places()[0].position / 32));
  store_le<uint64_t>(super + 16, layout.places().size());
  store_le<uint32_t>(super + 36, static_cast<uint32_t>(position_ / kBlockSize));
  store_le<uint32_t>(super + 40, layout.metadata_block());
  std::copy(uuid.begin(), uuid.end(), super + 48);
  store_le<uint32_t>(super + 4, crc32c(ByteView(block).subspan(kSuperOffset)));
  return sink_.write(0, block);
}

Result<uint64_t> ErofsWriter::finish(const Node& root, const std::array<uint8_t, 16>& uuid) {
  auto layout = TRY(ErofsLayout::plan(root, static_cast<uint32_t>(position_ / kBlockSize)));
  TRY(write_contents(layout));
  TRY(write_inodes(layout));
  TRY(write_superblock(layout, uuid));
  return position_;
}

}  // namespace bartizan::image
