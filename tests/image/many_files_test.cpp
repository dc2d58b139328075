// 50,000 files and odd names, compared with what umoci unpacks. Takes a minute: scripts/test full.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

TEST(ManyFiles, AreWhatUmociUnpacks) {
  if (::getenv("BARTIZAN_TEST_FULL") == nullptr) GTEST_SKIP() << "only with BARTIZAN_TEST_FULL=1";
  ScratchFolder folder;
  auto script = [](const char* name, const std::filesystem::path& argument) {
    return fmt::format("bash '{}/tests/image/{}' '{}'", BARTIZAN_SOURCE_DIR, name,
                       argument.string());
  };
  ToolResult made = run_tool(script("make_many.sh", folder.path()));
  ASSERT_EQ(made.status, 0) << made.output;
  BuildOptions options;
  options.source = folder / "src";
  options.output = folder / "out";
  auto report = build_image(options);
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_GT(report->entries, 50'000u);
  decrypt_filesystem(folder / "out", report->disk_key, folder / "fs.erofs");
  std::string got = (folder / "got").string();
  ToolResult fsck = run_tool(fmt::format(
      "cd '{}' && fsck.erofs --no-preserve-owner --preserve-perms --extract=got fs.erofs",
      folder.path().string()));
  ASSERT_EQ(fsck.status, 0) << fsck.output;
  std::string want_list =
      run_tool(script("list_tree.sh", folder / "want/rootfs") + " no-links").output;
  std::string got_list = run_tool(script("list_tree.sh", got) + " no-links").output;
  EXPECT_GT(want_list.size(), 1'000'000u);
  EXPECT_TRUE(want_list == got_list);
}

}  // namespace
}  // namespace bartizan::test
