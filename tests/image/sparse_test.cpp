// Sparse files as GNU tar writes them, in each of its forms, read back by fsck.erofs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

class Sparse : public testing::TestWithParam<const char*> {
 protected:
  ToolResult run(const std::string& command) {
    return run_tool("cd '" + scratch_.path().string() + "'; " + command);
  }
  Result<BuildReport> build() {
    make_layout(scratch_ / "src", {{read_text(scratch_ / "layer.tar")}});
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "out";
    return build_image(options);
  }
  ScratchFolder scratch_;
};

TEST_P(Sparse, HasTheContentThatTarSaw) {
  ToolResult made = run(
      fmt::format("mkdir want && cd want && truncate -s 9000001 holes empty-but-long && truncate "
                  "-s 4096 one && "
                  "for i in 0 1 2 3 5 8 13 21 34 55 89 144; do printf piece-$i | dd of=holes bs=1 "
                  "seek=$((i * 60000)) conv=notrunc status=none; done && printf end >> one && "
                  "tar --sparse {} -cf ../layer.tar .",
                  GetParam()));
  ASSERT_EQ(made.status, 0) << made.output;
  auto report = build();
  ASSERT_TRUE(report.ok()) << report.error().describe();
  decrypt_filesystem(scratch_ / "out", report->disk_key, scratch_ / "fs");
  ToolResult same =
      run("fsck.erofs --extract=got fs && rm got/.krun_config.json && diff -r want got");
  EXPECT_EQ(same.status, 0) << same.output;
}

INSTANTIATE_TEST_SUITE_P(Forms, Sparse,
                         testing::Values("--format=gnu", "--format=posix --sparse-version=0.1",
                                         "--format=posix --sparse-version=1.0"));

// A few bytes that claim to be a disk full of zeros.
TEST_F(Sparse, BombOfHoles) {
  ASSERT_EQ(run("truncate -s 60G bomb && tar --sparse --format=posix -cf layer.tar bomb").status,
            0);
  auto report = build();
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::resource_exhausted) << report.error().describe();
}

}  // namespace
}  // namespace bartizan::test
