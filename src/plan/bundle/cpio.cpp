#include "plan/bundle/cpio.hpp"

#include <fmt/format.h>

#include "base/checked.hpp"

namespace bartizan::plan::bundle {
namespace {

constexpr uint32_t kFolder = 0040000, kRegular = 0100000;

}  // namespace

void CpioWriter::pad() {
  archive_.resize(align_up(archive_.size(), 4));
}

void CpioWriter::add(std::string_view name, uint32_t mode, uint32_t links, ByteView content) {
  // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
  // namesize, check
  auto header = fmt::format(
      "070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
      inode_++, mode, 0, 0, links, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0);
  archive_.insert(archive_.end(), header.begin(), header.end());
  archive_.insert(archive_.end(), name.begin(), name.end());
  archive_.push_back(0);
  pad();
  archive_.insert(archive_.end(), content.begin(), content.end());
  pad();
}

void CpioWriter::add_folder(std::string_view name) {
  add(name, kFolder | 0755, 2, {});
}

void CpioWriter::add_file(std::string_view name, uint32_t permissions, ByteView content) {
  add(name, kRegular | permissions, 1, content);
}

Bytes CpioWriter::finish() && {
  add("TRAILER!!!", 0, 1, {});
  return std::move(archive_);
}

}  // namespace bartizan::plan::bundle
