// Ext4Reader: the files of an ext4 (or ext2, ext3) of somebody else, entry by entry as a layer's,
// without a mount. libext2fs interprets the metadata; file contents are read here, by the blocks
// that it names.
//
// Nothing of the disk is trusted: every call of libext2fs has an allowance of blocks, no inode is
// visited twice but as a hard link, and the contents of all files together are no larger than the
// disk and the holes that a layer may have. Left out: sockets (as archives leave them out) and the
// empty lost+found of mke2fs. Times before 1901 and after 2446 do not exist in ext4.
#pragma once

#include <memory>
#include <string>

#include "image/ext4/disk_bytes.hpp"
#include "image/tar/entry_reader.hpp"

namespace bartizan::image::ext4 {

class Ext4Reader : public tar::EntryReader {
 public:
  // `disk` is borrowed; `name` is for errors. Errors of all functions: corrupt, unsupported (a
  // feature that libext2fs does not know, a journal that is to be replayed, encrypted files),
  // resource_exhausted (limits), io (of `disk`).
  static Result<std::unique_ptr<Ext4Reader>> open(DiskBytes& disk, std::string name);
  ~Ext4Reader() override;

  // The root folder first, as an entry with an empty path.
  Result<std::optional<tar::TarEntry>> next() override;
  // Precondition: `space` holds a block of any size that there is, 64 KiB.
  Result<ByteView> take(std::span<uint8_t> space) override;

  // A regular file in the root folder; nothing if there is none. resource_exhausted: larger than
  // `limit`. Not between next() and take().
  Result<std::optional<std::string>> read_root_file(const std::string& file, uint64_t limit);

  // Of the file system that is in use.
  uint64_t used_bytes() const;

 private:
  class Walk;
  explicit Ext4Reader(std::unique_ptr<Walk> walk);
  std::unique_ptr<Walk> walk_;
};

}  // namespace bartizan::image::ext4
