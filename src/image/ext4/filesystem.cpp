#include "image/ext4/filesystem.hpp"

#include <cstring>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::image::ext4 {
namespace {

constexpr char kOrigin[] = "image/ext4";
constexpr uint64_t kSuperblockAt = 1024;
// Descriptors of groups are read as a whole: 64 MiB, for a disk of 128 TiB.
constexpr uint64_t kMaxGroups = 1 << 20;
// One bit of memory for each.
constexpr uint32_t kMaxInodes = 1 << 28;
// Blocks that one call may read: of an inode; of a path through an extent tree (a depth of 5) or
// through indirect blocks; of extended attributes, the largest of which have inodes of their own.
constexpr uint64_t kInodeBlocks = 16, kPathBlocks = 32, kXattrBlocks = 4096;
// A folder's own blocks are read once, and beside each one those that lead to it.
constexpr uint64_t kBlocksEachFolderBlock = 8, kFolderBlocks = 64;
constexpr size_t kMaxXattrBytes = 64 * kKiB;

struct CloseXattrs {
  void operator()(ext2_xattr_handle* handle) const { ext2fs_xattrs_close(&handle); }
};

struct XattrNames {
  std::vector<std::string> names;
  size_t bytes = 0;
};

// Called by libext2fs.
int take_name(char* name, char*, size_t bytes, void* data) {
  auto& to = *static_cast<XattrNames*>(data);
  to.bytes += bytes + std::strlen(name);
  if (to.bytes > kMaxXattrBytes) return XATTR_ABORT;
  to.names.emplace_back(name);
  return 0;
}

struct Listing {
  const FileSystem& fs;
  const FileSystem::Each& each;
  Result<void> result;
};

// Called by libext2fs for each entry that is in use.
int take_entry(ext2_ino_t, int, ext2_dir_entry* entry, int, int, char*, void* data) {
  auto& to = *static_cast<Listing*>(data);
  const std::string_view name(entry->name, static_cast<size_t>(ext2fs_dirent_name_len(entry)));
  if (name == "." || name == "..") return 0;
  if (name.empty() || name.find('/') != name.npos || name.find('\0') != name.npos)
    to.result = to.fs.corrupt("a name that is empty, or has a slash or a zero byte in it");
  else
    to.result = to.each(entry->inode, name);
  return to.result.ok() ? 0 : DIRENT_ABORT;
}

ext2_inode* small(ext2_inode_large& inode) {
  return reinterpret_cast<ext2_inode*>(&inode);
}

}  // namespace

Error FileSystem::corrupt(std::string_view why) const {
  return make_error(ErrorCode::corrupt, kOrigin, "{}: ext4: {}", name_, why);
}

Result<void> FileSystem::check(errcode_t code, std::string_view what) const {
  if (code == 0) return {};
  if (blocks_.failure()) return *blocks_.failure();
  if (blocks_.exhausted())
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{}: ext4: {}: leads to more blocks than any file system needs for it", name_,
                      what);
  const bool unknown = code == EXT2_ET_UNSUPP_FEATURE || code == EXT2_ET_RO_UNSUPP_FEATURE;
  return make_error(unknown ? ErrorCode::unsupported : ErrorCode::corrupt, kOrigin,
                    "{}: ext4: {}: libext2fs error {}{}", name_, what, code,
                    unknown ? ", a feature that it does not know" : "");
}

// What libext2fs would believe: how much memory and how many blocks it takes for it.
Result<void> FileSystem::check_superblock() {
  ext2_super_block super{};
  if (disk_.size() < kSuperblockAt + sizeof super) return corrupt("the disk is too small");
  TRY(disk_.read(kSuperblockAt, {reinterpret_cast<uint8_t*>(&super), sizeof super}));
  if (super.s_magic != EXT2_SUPER_MAGIC) return corrupt("there is none on the disk");
  const uint32_t log_size = super.s_log_block_size;
  if (log_size > EXT2_MAX_BLOCK_LOG_SIZE - EXT2_MIN_BLOCK_LOG_SIZE)
    return corrupt(fmt::format("blocks of 2^{} KiB", log_size));
  const uint64_t block = uint64_t{EXT2_MIN_BLOCK_SIZE} << log_size;
  const uint64_t blocks = ext2fs_blocks_count(&super);
  if (blocks > disk_.size() / block)
    return corrupt(
        fmt::format("{} blocks of {} bytes on a disk of {}", blocks, block, disk_.size()));
  const uint64_t each = super.s_blocks_per_group;
  if (each == 0 || blocks / each >= kMaxGroups)
    return corrupt(fmt::format("groups of {} blocks each", each));
  if (super.s_inodes_count > kMaxInodes)
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{}: ext4: {} inodes, the limit is {}", name_, uint32_t{super.s_inodes_count},
                      kMaxInodes);
  return {};
}

Result<void> FileSystem::check_features() const {
  if (ext2fs_has_feature_journal_needs_recovery(fs_->super) == 0) return {};
  return make_error(
      ErrorCode::unsupported, kOrigin,
      "{}: ext4: its journal is to be replayed: it was not unmounted; `e2fsck` on the "
      "opened disk does so",
      name_);
}

Result<std::unique_ptr<FileSystem>> FileSystem::open(DiskBytes& disk, std::string name) {
  std::unique_ptr<FileSystem> made(new FileSystem(disk, std::move(name)));
  TRY(made->check_superblock());
  made->blocks_.allow(disk.size() / kKiB);
  ext2_filsys raw = nullptr;
  const errcode_t code = made->blocks_.open(&raw);
  made->fs_.reset(raw);
  TRY(made->check(code, "superblock"));
  TRY(made->check_features());
  return made;
}

uint64_t FileSystem::used_bytes() const {
  const uint64_t all = ext2fs_blocks_count(fs_->super),
                 unused = ext2fs_free_blocks_count(fs_->super);
  return (all - std::min(all, unused)) * fs_->blocksize;
}

Result<ext2_inode_large> FileSystem::inode(ext2_ino_t number) {
  const bool named =
      number == EXT2_ROOT_INO || (number >= EXT2_FIRST_INODE(fs_->super) && number <= inodes());
  if (!named) return corrupt(fmt::format("a name for inode {}, which has none", number));
  blocks_.allow(kInodeBlocks);
  ext2_inode_large inode{};
  TRY(check(ext2fs_read_inode_full(fs_.get(), number, small(inode), sizeof inode),
            fmt::format("inode {}", number)));
  if (inode.i_links_count == 0)
    return corrupt(fmt::format("a name for inode {}, which is free", number));
  if ((inode.i_flags & EXT4_ENCRYPT_FL) != 0)
    return make_error(ErrorCode::unsupported, kOrigin, "{}: ext4: inode {}: is encrypted", name_,
                      number);
  return inode;
}

Result<void> FileSystem::list(ext2_ino_t folder, const ext2_inode_large& inode, const Each& each) {
  const uint64_t bytes = EXT2_I_SIZE(&inode);
  // Folders have no holes, and no block belongs to two.
  if (bytes > disk_.size() - folder_bytes_)
    return corrupt(fmt::format("inode {}: folders larger than the disk", folder));
  folder_bytes_ += bytes;
  blocks_.allow(bytes / fs_->blocksize * kBlocksEachFolderBlock + kFolderBlocks);
  Listing listing{*this, each, {}};
  const errcode_t code = ext2fs_dir_iterate2(fs_.get(), folder, 0, nullptr, take_entry, &listing);
  TRY(std::move(listing.result));
  return check(code, fmt::format("inode {}: folder", folder));
}

Result<ext2_ino_t> FileSystem::find_in_root(const std::string& name) {
  ext2_ino_t found = 0;
  const ext2_inode_large root = TRY(inode(EXT2_ROOT_INO));
  const uint64_t before = folder_bytes_;
  TRY(list(EXT2_ROOT_INO, root, [&](ext2_ino_t number, std::string_view entry) -> Result<void> {
    if (entry == name) found = number;
    return {};
  }));
  folder_bytes_ = before;
  return found;
}

Result<std::map<std::string, std::string>> FileSystem::xattrs(ext2_ino_t number) {
  const std::string what = fmt::format("inode {}: extended attributes", number);
  std::map<std::string, std::string> found;
  ext2_xattr_handle* raw = nullptr;
  blocks_.allow(kXattrBlocks);
  TRY(check(ext2fs_xattrs_open(fs_.get(), number, &raw), what));
  const std::unique_ptr<ext2_xattr_handle, CloseXattrs> handle(raw);
  TRY(check(ext2fs_xattrs_read(raw), what));
  XattrNames names;
  TRY(check(ext2fs_xattrs_iterate(raw, take_name, &names), what));
  if (names.bytes > kMaxXattrBytes)
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: ext4: {}: more than {} bytes",
                      name_, what, kMaxXattrBytes);
  for (const std::string& key : names.names) {
    if (key == "system.data") continue;  // where ext4 keeps a small file's content
    void* value = nullptr;
    size_t size = 0;
    TRY(check(ext2fs_xattr_get(raw, key.c_str(), &value, &size), what));
    found[key].assign(static_cast<const char*>(value), size);
    ext2fs_free_mem(&value);
  }
  return found;
}

Result<uint64_t> FileSystem::block_of(ext2_ino_t number, ext2_inode_large& inode, uint64_t block) {
  blocks_.allow(kPathBlocks);
  blk64_t found = 0;
  int flags = 0;
  TRY(check(ext2fs_bmap2(fs_.get(), number, small(inode), nullptr, 0, block, &flags, &found),
            fmt::format("inode {}: block {}", number, block)));
  if ((flags & BMAP_RET_UNINIT) != 0) return uint64_t{0};  // reads as zeros, whatever lies there
  if (found >= ext2fs_blocks_count(fs_->super))
    return corrupt(fmt::format("inode {}: block {} lies at {}, behind the end", number, block,
                               uint64_t{found}));
  return uint64_t{found};
}

Result<void> FileSystem::read_blocks(uint64_t first, std::span<uint8_t> to) {
  return disk_.read(first * fs_->blocksize, to);  // inside: block_of() and check_superblock()
}

Result<Bytes> FileSystem::inline_content(ext2_ino_t number, ext2_inode_large& inode) {
  const std::string what = fmt::format("inode {}: content in it", number);
  size_t size = 0;
  blocks_.allow(kXattrBlocks);
  TRY(check(ext2fs_inline_data_size(fs_.get(), number, &size), what));
  if (size > kMaxXattrBytes) return corrupt(what);
  Bytes content(size);
  TRY(check(ext2fs_inline_data_get(fs_.get(), number, small(inode), content.data(), &size), what));
  content.resize(std::min(size, content.size()));
  return content;
}

}  // namespace bartizan::image::ext4
