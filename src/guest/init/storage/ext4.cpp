#include "guest/init/storage/ext4.hpp"

#include <ext2fs/ext2fs.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "base/bytes.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"

namespace bartizan::guest::init::storage {
namespace {

constexpr const char* kOrigin = "guest/init/storage/ext4";
constexpr uint32_t kLogBlockSize = 2;  // 1024 << 2
constexpr uint32_t kInodeBytes = 256;
constexpr uint32_t kExtraInodeBytes = 32;  // times in nanoseconds, as files of containers have them
// All inode tables are written at each boot: one inode for 32 KiB costs 0.8 % of the disk, and more
// than a million nobody fills between two boots.
constexpr uint64_t kBytesPerInode = 32 * kKiB;
constexpr uint64_t kMaxInodes = 1 << 20;
// The hash of directory indexes, as mke2fs chooses it.
constexpr uint8_t kHalfMd4 = EXT2_HASH_HALF_MD4;

struct Close {
  void operator()(struct_ext2_filsys* fs) const { ext2fs_free(fs); }
};
using FileSystem = std::unique_ptr<struct_ext2_filsys, Close>;

Result<void> check(errcode_t code, std::string_view what) {
  if (code == 0) return {};
  return make_error(ErrorCode::io, kOrigin, "scratch disk: {}: libext2fs error {}", what, code);
}

Result<uint64_t> clear_first_block(const std::string& device) {
  UniqueFd file = TRY(open_file(device, O_RDWR));
  off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0) return errno_error(errno, kOrigin, device);
  // libext2fs writes the superblock as a part of it.
  TRY(write_exactly(file.get(), Bytes(kBlockSize), 0, device));
  return static_cast<uint64_t>(size);
}

ext2_super_block wanted(uint64_t bytes) {
  ext2_super_block super{};
  super.s_log_block_size = kLogBlockSize;
  super.s_log_cluster_size = kLogBlockSize;
  super.s_rev_level = EXT2_DYNAMIC_REV;
  super.s_inode_size = kInodeBytes;
  super.s_inodes_count = static_cast<uint32_t>(std::min(bytes / kBytesPerInode, kMaxInodes));
  super.s_errors = EXT2_ERRORS_RO;
  super.s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX;
  super.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS;
  super.s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER |
                              EXT2_FEATURE_RO_COMPAT_LARGE_FILE | EXT4_FEATURE_RO_COMPAT_HUGE_FILE |
                              EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE;
  ext2fs_blocks_count_set(&super, bytes / kBlockSize);
  return super;
}

Result<FileSystem> initialize(const std::string& device, uint64_t bytes) {
  ext2_super_block super = wanted(bytes);
  ext2_filsys raw = nullptr;
  errcode_t code = ext2fs_initialize(device.c_str(), EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS, &super,
                                     unix_io_manager, &raw);
  FileSystem fs(raw);
  TRY(check(code, "initialize"));
  fs->super->s_def_hash_version = kHalfMd4;
  fs->super->s_min_extra_isize = kExtraInodeBytes;
  fs->super->s_want_extra_isize = kExtraInodeBytes;
  SecretBytes seed = TRY(crypto::random_secret(sizeof fs->super->s_hash_seed));
  std::copy_n(seed.bytes().begin(), seed.size(),
              reinterpret_cast<uint8_t*>(fs->super->s_hash_seed));
  return fs;
}

Result<void> write_inode_tables(ext2_filsys fs) {
  TRY(check(ext2fs_allocate_tables(fs), "allocate tables"));
  for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
    blk64_t block = ext2fs_inode_table_loc(fs, group), failed = 0;
    int count = 0;
    TRY(check(ext2fs_zero_blocks2(fs, block, static_cast<int>(fs->inode_blocks_per_group), &failed,
                                  &count),
              "inode table"));
    ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_ZEROED);
  }
  ext2fs_zero_blocks2(nullptr, 0, 0, nullptr, nullptr);  // frees its buffer of zeros
  return {};
}

Result<void> make_root(ext2_filsys fs) {
  TRY(check(ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, nullptr), "root folder"));
  fs->umask = 077;
  TRY(check(ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "lost+found"), "lost+found"));
  for (ext2_ino_t inode = EXT2_ROOT_INO + 1; inode < EXT2_FIRST_INODE(fs->super); ++inode)
    ext2fs_inode_alloc_stats2(fs, inode, +1, 0);
  ext2fs_mark_inode_bitmap2(fs->inode_map, EXT2_BAD_INO);
  ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
  return {};
}

}  // namespace

Result<void> make_ext4(const std::string& device) {
  uint64_t bytes = TRY(clear_first_block(device));
  FileSystem fs = TRY(initialize(device, bytes));
  TRY(write_inode_tables(fs.get()));
  TRY(make_root(fs.get()));
  ext2_filsys raw = fs.release();
  errcode_t code = ext2fs_close(raw);
  if (code != 0) ext2fs_free(raw);
  return check(code, "write");
}

}  // namespace bartizan::guest::init::storage
