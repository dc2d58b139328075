// The file system of a scratch disk, judged by e2fsck and debugfs. Plain files, no root.
#include "guest/init/storage/ext4.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.hpp"

namespace bartizan::guest::init {
namespace {

namespace fs = std::filesystem;

class Ext4 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::system("PATH=$PATH:/sbin:/usr/sbin e2fsck -V >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "e2fsck is not installed";
    char name[] = "/tmp/bartizan-ext4-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string disk() const { return (folder_ / "disk").string(); }
  int tool(const std::string& command) const {
    return ::system(("PATH=$PATH:/sbin:/usr/sbin; " + command + " >/dev/null 2>&1").c_str());
  }
  void make_disk(uint64_t bytes) const {
    ASSERT_TRUE(write_file(disk(), {}).ok());
    fs::resize_file(disk(), bytes);
  }
  fs::path folder_;
};

TEST_F(Ext4, E2fsckAcceptsIt) {
  for (uint64_t bytes : {16ull << 20, (32ull << 20) - 4096 * 77, 300ull << 20, 3ull << 30}) {
    make_disk(bytes);
    auto made = storage::make_ext4(disk());
    ASSERT_TRUE(made.ok()) << made.error().describe();
    EXPECT_EQ(tool("e2fsck -fn " + disk()), 0) << bytes;
    for (const char* word : {"extent", "ext_attr", "filetype", "extra_isize"})
      EXPECT_EQ(tool("dumpe2fs -h " + disk() + " | grep 'features:.*" + word + "'"), 0) << word;
    EXPECT_NE(tool("dumpe2fs -h " + disk() + " | grep has_journal"), 0);
  }
}

// A fresh dm-integrity device gives an I/O error for what was never written: all that the kernel
// reads to mount, and to make the first files, must have been. Holes are what was not.
TEST_F(Ext4, EveryBlockOfItsTablesIsWritten) {
  make_disk(64 << 20);
  // On a file libext2fs would punch holes; on a block device it makes the kernel write zeros.
  ::setenv("UNIX_IO_NOZEROOUT", "1", 1);
  ASSERT_TRUE(storage::make_ext4(disk()).ok());
  // Bit maps, inode tables, group descriptors: debugfs names their blocks.
  ASSERT_EQ(tool("dumpe2fs " + disk() + " | tee " + (folder_ / "dump").string()), 0);
  UniqueFd file = open_file(disk(), O_RDONLY).value();
  auto written = [&](uint64_t block) {
    off_t at = static_cast<off_t>(block * 4096);
    return ::lseek(file.get(), at, SEEK_DATA) == at;
  };
  // 64 MiB: one group; superblock, descriptors, two bit maps, 2048 inodes of 256 bytes.
  for (uint64_t block = 0; block < 2; ++block) EXPECT_TRUE(written(block)) << block;
  ASSERT_EQ(tool("grep 'Inode table at' " + (folder_ / "dump").string()), 0);
  std::string range = (folder_ / "range").string();
  ASSERT_EQ(::system(("sed -n 's/.*Inode table at \\([0-9]*\\)-\\([0-9]*\\).*/\\1 \\2/p' " +
                      (folder_ / "dump").string() + " > " + range)
                         .c_str()),
            0);
  Bytes text = read_file(range, 4096).value();
  uint64_t first = std::stoull(std::string(as_text(text)));
  uint64_t last = std::stoull(std::string(as_text(text)).substr(as_text(text).find(' ')));
  ASSERT_EQ(last - first + 1, 2048u * 256 / 4096);
  for (uint64_t block = first; block <= last; ++block) EXPECT_TRUE(written(block)) << block;
}

TEST_F(Ext4, NoDiskIsAnError) {
  EXPECT_EQ(storage::make_ext4(disk()).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace bartizan::guest::init
