#include "image/filesystem/erofs_check.hpp"

#include <unordered_map>
#include <vector>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::image::filesystem {
namespace {

// fs/erofs/erofs_fs.h
constexpr uint64_t kSuperOffset = 1024;
constexpr uint32_t kMagic = 0xe0f5e1e2;
constexpr uint64_t kSlot = 32, kInodeBytes = 64, kDirentBytes = 12;
constexpr uint16_t kFlatPlain = 1 | 0 << 1, kFlatInline = 1 | 2 << 1;
constexpr uint16_t kTypeMask = 0170000, kRegular = 0100000, kFolder = 0040000, kSymlink = 0120000;
// A file system of more inodes would take more memory to check than a build of it may take.
constexpr uint64_t kMaxInodes = 1 << 26;
constexpr size_t kCachedBlocks = 1024;

Error corrupt(std::string_view where, std::string_view why) {
  return make_error(ErrorCode::corrupt, "image/filesystem", "file system: {}: {}", where, why);
}

uint32_t crc32c(ByteView bytes) {  // as EROFS stores it: without the final inversion
  uint32_t crc = ~0u;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return crc;
}

uint8_t dirent_type(uint16_t mode) {  // FT_* of linux/fs_types.h
  switch (mode & kTypeMask) {
    case kRegular:
      return 1;
    case kFolder:
      return 2;
    case 0020000:
      return 3;
    case 0060000:
      return 4;
    case 0010000:
      return 5;
    case 0140000:
      return 6;
    case kSymlink:
      return 7;
    default:
      return 0;
  }
}

struct Super {
  uint64_t root = 0, inodes = 0, blocks = 0, metadata = 0;  // metadata: byte offset
};

struct CheckedInode {
  uint64_t nid = 0, size = 0, inline_at = 0;  // inline_at: byte offset of the tail
  uint32_t links = 0, block = 0;
  uint16_t format = 0, mode = 0;
  std::string where() const { return fmt::format("inode {}", nid); }
  bool is_folder() const { return (mode & kTypeMask) == kFolder; }
  bool has_content() const {
    return is_folder() || (mode & kTypeMask) == kRegular || (mode & kTypeMask) == kSymlink;
  }
  uint64_t whole_blocks() const {
    return format == kFlatInline ? size / kBlockSize : (size + kBlockSize - 1) / kBlockSize;
  }
};

// Blocks read once and kept a while: inodes of a folder lie near each other.
class Cache {
 public:
  Cache(const ReadBlock& read, uint64_t blocks) : read_(read), blocks_(blocks) {}
  Result<ByteView> block(uint64_t number) {
    if (number >= blocks_)
      return corrupt(fmt::format("block {}", number), "outside the file system");
    Slot& slot = slots_[number % kCachedBlocks];
    if (slot.number != number || slot.bytes.empty()) {
      slot.bytes.resize(kBlockSize);
      TRY(read_(number, slot.bytes));
      slot.number = number;
    }
    return ByteView(slot.bytes);
  }

 private:
  struct Slot {
    uint64_t number = 0;
    Bytes bytes;
  };
  const ReadBlock& read_;
  uint64_t blocks_;
  std::vector<Slot> slots_ = std::vector<Slot>(kCachedBlocks);
};

class Walk {
 public:
  Walk(const ReadBlock& read, uint64_t blocks) : cache_(read, blocks), blocks_(blocks) {}

  Result<ErofsTotals> run() {
    TRY(read_super());
    TRY(meet(super_.root, kFolder, ""));
    waiting_.push_back({super_.root, super_.root});
    while (!waiting_.empty()) {
      auto [nid, parent] = waiting_.back();
      waiting_.pop_back();
      TRY(read_folder(TRY(read_inode(nid)), parent));
    }
    for (const auto& [nid, seen] : seen_) {
      if (seen.found != seen.links)
        return corrupt(fmt::format("inode {}", nid),
                       fmt::format("{} links, but it records {}", seen.found, seen.links));
    }
    if (seen_.size() != super_.inodes)
      return corrupt("superblock", fmt::format("{} inodes, but the root leads to {}", super_.inodes,
                                               seen_.size()));
    totals_.inodes = seen_.size();
    return totals_;
  }

 private:
  struct Seen {
    uint32_t links = 0, found = 0;
    uint16_t mode = 0;
  };
  struct Waiting {
    uint64_t nid, parent;
  };

  Result<void> read_super() {
    Bytes block(TRY(cache_.block(0)).begin(), TRY(cache_.block(0)).end());
    uint8_t* raw = block.data() + kSuperOffset;
    if (!has_erofs_magic(block)) return corrupt("superblock", "not that of an EROFS");
    uint32_t checksum = load_le<uint32_t>(raw + 4);
    store_le<uint32_t>(raw + 4, 0);
    if (crc32c(ByteView(block).subspan(kSuperOffset)) != checksum)
      return corrupt("superblock", "wrong checksum");
    if (raw[12] != 12) return corrupt("superblock", "blocks are not of 4096 bytes");
    if (load_le<uint32_t>(raw + 80) != 0)
      return corrupt("superblock", "features that we never use");
    super_ = {load_le<uint16_t>(raw + 14), load_le<uint64_t>(raw + 16), load_le<uint32_t>(raw + 36),
              load_le<uint32_t>(raw + 40) * kBlockSize};
    if (super_.blocks > blocks_ || super_.metadata >= super_.blocks * kBlockSize)
      return corrupt("superblock", "reaches beyond the disk");
    if (super_.inodes > kMaxInodes) return corrupt("superblock", "more inodes than we make");
    return {};
  }

  Result<CheckedInode> read_inode(uint64_t nid) {
    CheckedInode inode;
    inode.nid = nid;
    // Divided, not multiplied: a number from the disk must not wrap.
    if (nid >= (super_.blocks * kBlockSize - super_.metadata) / kSlot)
      return corrupt(inode.where(), "outside the file system");
    uint64_t at = super_.metadata + nid * kSlot;
    if (at % kBlockSize + kInodeBytes > kBlockSize)
      return corrupt(inode.where(), "cut by a block's end");
    ByteView raw = TRY(cache_.block(at / kBlockSize)).subspan(at % kBlockSize);
    inode.format = load_le<uint16_t>(&raw[0]);
    inode.mode = load_le<uint16_t>(&raw[4]);
    inode.size = load_le<uint64_t>(&raw[8]);
    inode.block = load_le<uint32_t>(&raw[16]);
    inode.links = load_le<uint32_t>(&raw[44]);
    uint64_t words = load_le<uint16_t>(&raw[2]);
    inode.inline_at = at + kInodeBytes + (words == 0 ? 0 : 12 + (words - 1) * 4);
    TRY(check_place(inode));
    return inode;
  }

  Result<void> check_place(const CheckedInode& inode) const {
    if (inode.format != kFlatPlain && inode.format != kFlatInline)
      return corrupt(inode.where(), fmt::format("layout {:#x}", inode.format));
    if (dirent_type(inode.mode) == 0) return corrupt(inode.where(), "of no type");
    uint64_t end = super_.blocks * kBlockSize;
    if (inode.inline_at > end)
      return corrupt(inode.where(), "extended attributes reach beyond the end");
    if (!inode.has_content()) return {};
    uint64_t whole = inode.whole_blocks();
    if (whole > super_.blocks || (whole != 0 && inode.block > super_.blocks - whole))
      return corrupt(inode.where(), "content reaches beyond the end");
    uint64_t tail = inode.format == kFlatInline ? inode.size % kBlockSize : 0;
    if (tail != 0 && inode.inline_at % kBlockSize + tail > kBlockSize)
      return corrupt(inode.where(), "tail is cut by a block's end");
    return {};
  }

  // One link to `nid`. A folder that is met a second time, but for "." and "..", is a circle.
  Result<void> meet(uint64_t nid, uint16_t type, std::string_view name) {
    bool dots = name == "." || name == "..";
    auto [at, fresh] = seen_.try_emplace(nid);
    if (fresh) {
      CheckedInode inode = TRY(read_inode(nid));
      at->second = {inode.links, 0, inode.mode};
      if (inode.is_folder()) ++totals_.folders;
      if ((inode.mode & kTypeMask) == kRegular) totals_.content_bytes += inode.size;
      if (seen_.size() > super_.inodes) return corrupt("superblock", "fewer inodes than there are");
    } else if (!dots && (at->second.mode & kTypeMask) == kFolder) {
      return corrupt(fmt::format("inode {}", nid), "a folder in two places");
    }
    if (type == kFolder && (at->second.mode & kTypeMask) != kFolder)
      return corrupt(fmt::format("inode {}", nid), "not a folder");
    if (!name.empty()) ++at->second.found;
    return {};
  }

  Result<void> read_folder(const CheckedInode& folder, uint64_t parent) {
    std::string last;
    unsigned dots = 0;
    for (uint64_t at = 0; at < folder.size; at += kBlockSize) {
      uint64_t length = std::min(kBlockSize, folder.size - at), index = at / kBlockSize;
      bool in_tail = index >= folder.whole_blocks();
      uint64_t number = in_tail ? folder.inline_at / kBlockSize : folder.block + index;
      ByteView block = TRY(cache_.block(number));
      block = block.subspan(in_tail ? folder.inline_at % kBlockSize : 0, length);
      // A copy: meeting the entries reads other blocks into the cache.
      TRY(read_entries(Bytes(block.begin(), block.end()), folder, parent, last, dots));
    }
    return dots == 2 ? Result<void>() : corrupt(folder.where(), "without \".\" or \"..\"");
  }

  Result<void> read_entries(const Bytes& block, const CheckedInode& folder, uint64_t parent,
                            std::string& last, unsigned& dots) {
    if (block.size() < kDirentBytes) return corrupt(folder.where(), "cut off");
    uint64_t first = load_le<uint16_t>(&block[8]);
    if (first == 0 || first % kDirentBytes != 0 || first > block.size())
      return corrupt(folder.where(), "names at an impossible place");
    for (uint64_t i = 0; i < first / kDirentBytes; ++i) {
      const uint8_t* raw = &block[i * kDirentBytes];
      uint64_t begin = load_le<uint16_t>(raw + 8);
      bool is_last = (i + 1) * kDirentBytes == first;
      uint64_t end = is_last ? block.size() : load_le<uint16_t>(raw + kDirentBytes + 8);
      if (begin < first || end > block.size() || begin >= end)
        return corrupt(folder.where(), "a name at an impossible place");
      std::string name(as_text(ByteView(block).subspan(begin, end - begin)));
      if (is_last) name.resize(std::min(name.size(), name.find('\0')));  // the rest of the block
      TRY(read_entry(load_le<uint64_t>(raw), raw[10], name, folder, parent, dots));
      if (!(last < name)) return corrupt(folder.where(), "names out of order");
      last = std::move(name);
    }
    return {};
  }

  Result<void> read_entry(uint64_t nid, uint8_t type, const std::string& name,
                          const CheckedInode& folder, uint64_t parent, unsigned& dots) {
    if (name.empty() || name.find('/') != name.npos || name.find('\0') != name.npos)
      return corrupt(folder.where(), "a name that no file has");
    bool self = name == ".", up = name == "..";
    dots += self || up;
    if ((self && nid != folder.nid) || (up && nid != parent))
      return corrupt(folder.where(), fmt::format("\"{}\" leads elsewhere", name));
    TRY(meet(nid, self || up ? kFolder : 0, name));
    uint16_t mode = seen_.at(nid).mode;
    if (dirent_type(mode) != type) return corrupt(folder.where(), "an entry of another type");
    if (!self && !up && (mode & kTypeMask) == kFolder) waiting_.push_back({nid, folder.nid});
    return {};
  }

  Cache cache_;
  uint64_t blocks_;
  Super super_;
  ErofsTotals totals_;
  std::unordered_map<uint64_t, Seen> seen_;
  std::vector<Waiting> waiting_;
};

}  // namespace

bool has_erofs_magic(ByteView first_block) {
  return first_block.size() >= kSuperOffset + 4 &&
         load_le<uint32_t>(first_block.data() + kSuperOffset) == kMagic;
}

Result<ErofsTotals> check_erofs(const ReadBlock& read, uint64_t blocks) {
  return Walk(read, blocks).run();
}

}  // namespace bartizan::image::filesystem
