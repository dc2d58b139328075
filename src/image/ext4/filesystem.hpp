// An opened ext4: libext2fs with its allowances, and what of its answers needs care. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "image/ext4/blocks.hpp"

namespace bartizan::image::ext4 {

class FileSystem {
 public:
  static Result<std::unique_ptr<FileSystem>> open(DiskBytes& disk, std::string name);

  const std::string& name() const { return name_; }
  uint64_t block_size() const { return fs_->blocksize; }
  uint64_t disk_size() const { return disk_.size(); }
  uint32_t inodes() const { return fs_->super->s_inodes_count; }
  uint64_t used_bytes() const;

  // An inode that a name may refer to: with all its times.
  Result<ext2_inode_large> inode(ext2_ino_t number);

  // Calls `each` with number and name of every entry but "." and "..".
  using Each = std::function<Result<void>(ext2_ino_t, std::string_view)>;
  Result<void> list(ext2_ino_t folder, const ext2_inode_large& inode, const Each& each);
  // 0: there is none.
  Result<ext2_ino_t> find_in_root(const std::string& name);

  Result<std::map<std::string, std::string>> xattrs(ext2_ino_t number);

  // The block of the disk that holds that block of a file; 0: a hole.
  Result<uint64_t> block_of(ext2_ino_t number, ext2_inode_large& inode, uint64_t block);
  Result<void> read_blocks(uint64_t first, std::span<uint8_t> to);
  // Content that lies in the inode itself.
  Result<Bytes> inline_content(ext2_ino_t number, ext2_inode_large& inode);

  Error corrupt(std::string_view why) const;

 private:
  struct Free {
    void operator()(struct_ext2_filsys* fs) const { ext2fs_free(fs); }
  };
  FileSystem(DiskBytes& disk, std::string name)
      : disk_(disk), blocks_(disk), name_(std::move(name)) {}
  Result<void> check_superblock();
  Result<void> check_features() const;
  Result<void> check(errcode_t code, std::string_view what) const;

  DiskBytes& disk_;
  Blocks blocks_;
  std::string name_;
  std::unique_ptr<struct_ext2_filsys, Free> fs_;
  uint64_t folder_bytes_ = 0;  // of all folders that were listed
};

}  // namespace bartizan::image::ext4
