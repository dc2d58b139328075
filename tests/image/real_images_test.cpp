// Whole images against `umoci unpack`, entry by entry: mode, owner, time, attributes, links,
// content. The finished file system is read twice: by a reader of the tests' own
// (erofs_lines.py), and by the kernel where that may mount.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

struct RealImage {
  const char* name;      // of a Debian package, or as in make_real.sh
  bool quick;            // few seconds
  uint64_t least_files;  // so that no empty tree passes
};
void PrintTo(const RealImage& image, std::ostream* out) {
  *out << image.name;
}

bool wanted(const RealImage& image) {
#ifdef __SANITIZE_ADDRESS__
  return image.quick;  // the large ones once are enough
#else
  return image.quick || soaking();
#endif
}

class RealImages : public testing::TestWithParam<RealImage> {
 protected:
  void SetUp() override {
    if (!wanted(GetParam())) GTEST_SKIP() << "only by scripts/test soak";
    if (::geteuid() != 0) GTEST_SKIP() << "only root can unpack owners and devices";
    since_ = std::chrono::duration_cast<std::chrono::seconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count();
    ToolResult made =
        run(fmt::format("bash '{0}/tests/image/make_real.sh' '{1}' "
                        "'{0}/build/image-cache' .",
                        BARTIZAN_SOURCE_DIR, GetParam().name));
    if (made.status == 77) GTEST_SKIP() << "no Debian mirror: " << made.output;
    ASSERT_EQ(made.status, 0) << made.output;
  }
  ToolResult run(const std::string& command) {
    return run_tool(fmt::format("cd '{}'; {}", folder_.path().string(), command));
  }
  ToolResult compare(const std::string& got) {
    return run(fmt::format("python3 -B '{}/tests/image/compare_trees.py' {} want/rootfs {}",
                           BARTIZAN_SOURCE_DIR, since_, got));
  }
  ScratchFolder folder_;
  int64_t since_ = 0;
};

TEST_P(RealImages, AreWhatUmociUnpacks) {
  BuildOptions options;
  options.source = folder_ / "src";
  options.output = folder_ / "out";
  auto report = build_image(options);
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_GE(report->entries, GetParam().least_files);
  decrypt_filesystem(options.output, report->disk_key, folder_ / "fs");
  ToolResult same = compare("fs");
  EXPECT_EQ(same.status, 0) << same.output;
  ToolResult fsck = run("fsck.erofs fs");
  EXPECT_EQ(fsck.status, 0) << fsck.output;
  if (run("mkdir mnt && mount -t erofs -o loop,ro fs mnt").status != 0) return;  // not allowed here
  ToolResult mounted = compare("mnt");
  EXPECT_EQ(run("umount mnt").status, 0);
  EXPECT_EQ(mounted.status, 0) << mounted.output;
}

INSTANTIATE_TEST_SUITE_P(Debian, RealImages,
                         testing::Values(RealImage{"busybox", true, 40},
                                         RealImage{"odd-names", true, 2800},
                                         RealImage{"many", false, 50'000},
                                         RealImage{"nginx", false, 800},
                                         RealImage{"python3", false, 1000},
                                         RealImage{"openjdk-17-jre-headless", false, 1000}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::erase_if(name, [](char c) { return c == '-'; });
                           return name;
                         });

// The reader that judges us reads what mkfs.erofs makes, too.
TEST(ErofsReader, ReadsWhatMkfsMakes) {
  ScratchFolder folder;
  ToolResult same = run_tool(fmt::format(
      "cd '{}' && mkdir -p t/many && for i in $(seq 1 400); do echo $i > t/many/file-number-$i; "
      "done && ln t/many/file-number-7 t/hard && ln -s many t/link && mkfifo t/pipe && head -c "
      "9000 /dev/urandom > t/big && touch -d '2001-02-03 04:05:06.7' t/big && python3 -c \"import "
      "os; os.setxattr('t/big', 'user.x', b'yes')\" && mkfs.erofs --quiet -x 1 fs t && python3 -B "
      "'{}/tests/image/compare_trees.py' 1e12 t fs",
      folder.path().string(), BARTIZAN_SOURCE_DIR));
  EXPECT_EQ(same.status, 0) << same.output;
}

}  // namespace
}  // namespace bartizan::test
