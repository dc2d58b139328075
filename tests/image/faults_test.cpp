// A build whose every system call that changes something fails once, that is killed at many a
// system call, that has a disk too small, that its caller cancels whenever asked: one clear error,
// nothing outside the output, nothing left of it; of a killed one at most a folder that the next
// build removes.
#include <errno.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <set>

#include "image/support.hpp"
#include "image/system_calls.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;

class Faults : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(scratch_ / "work");
    std::string content(600'000, 'x');
    for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * i >> 9);
    make_layout(scratch_ / "src",
                {{make_tar({{"etc/", '5'}, {"etc/a", '0', content}, {"etc/gone"}})},
                 {make_tar({{"etc/.wh.gone"}, {"b", '1', "", "etc/a"}, {"c", '0', "x"}})}});
  }
  BuildOptions options() const {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "work/out";
    return options;
  }
  std::string describe_build() const {
    auto report = build_image(options());
    if (report.ok()) return "ok";
    return fmt::format("{} {}", static_cast<int>(report.error().code), report.error().describe());
  }
  static bool has_code(const std::string& words, ErrorCode code) {
    return words.starts_with(fmt::format("{} ", static_cast<int>(code)));
  }
  std::set<std::string> left() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(scratch_ / "work"))
      names.insert(entry.path().filename().string());
    return names;
  }
  void expect_whole_image() {
    auto verified = verify_image(scratch_ / "work/out");
    EXPECT_TRUE(verified.ok()) << verified.error().describe();
    EXPECT_EQ(left(), std::set<std::string>{"out"});
    fs::remove_all(scratch_ / "work/out");
  }

  ScratchFolder scratch_;
};

TEST_F(Faults, NothingIsWrittenOutsideTheOutput) {
  auto seen = watch([&] { return describe_build(); });
  ASSERT_TRUE(seen && seen->status) << "no child could be traced";
  EXPECT_EQ(seen->words, "ok");
  EXPECT_GT(seen->changes, 20u);
  std::string output = (scratch_ / "work/out").string();
  for (const std::string& path : seen->paths) {
    bool fine = path.starts_with(output + ".partial-") || path == output ||
                path.starts_with("/proc/self/fd/") || path == "/dev/null";
    EXPECT_TRUE(fine) << path;
  }
  expect_whole_image();
}

TEST_F(Faults, EveryChangeFailsOnce) {
  auto calm = watch([&] { return describe_build(); });
  ASSERT_TRUE(calm && calm->words == "ok") << "no child could be traced";
  fs::remove_all(scratch_ / "work/out");
  int refused = 0;
  for (uint64_t number = 1; number <= calm->changes; ++number) {
    auto seen = watch([&] { return describe_build(); }, {number, ENOSPC, 0});
    ASSERT_TRUE(seen);
    std::string what = fmt::format("{}, {}: {}", number, seen->failed, seen->words);
    ASSERT_EQ(seen->status, 0) << what << ", signal " << seen->signal.value_or(0);
    if (seen->words == "ok") {  // a call that need not succeed
      expect_whole_image();
      continue;
    }
    ++refused;
    // libcryptsetup, which writes into memory here, seldom tells why a write failed.
    bool theirs = seen->words.find("image/luks2: /proc/self/fd/") != std::string::npos;
    EXPECT_TRUE(has_code(seen->words, ErrorCode::resource_exhausted) ||
                (theirs && has_code(seen->words, ErrorCode::io)))
        << what;
    bool named = seen->words.find("work/out") != std::string::npos ||
                 seen->words.find("mem") != std::string::npos ||
                 seen->words.find("/proc/self/fd/") != std::string::npos;
    EXPECT_TRUE(named) << what;
    EXPECT_EQ(left(), std::set<std::string>{}) << what;
  }
  EXPECT_GT(refused, 20);
  RecordProperty("changes", static_cast<int>(calm->changes));
}

// NFS and others know no O_TMPFILE: the file has a name then, for a moment.
TEST_F(Faults, FileSystemWithoutUnnamedFiles) {
  auto calm = watch([&] { return describe_build(); });
  ASSERT_TRUE(calm && calm->words == "ok") << "no child could be traced";
  fs::remove_all(scratch_ / "work/out");
  int named = 0;
  for (uint64_t number = 1; number <= calm->changes && named == 0; ++number) {
    auto seen = watch([&] { return describe_build(); }, {number, EOPNOTSUPP, 0});
    ASSERT_TRUE(seen && seen->status == 0);
    for (const std::string& path : seen->paths)
      named += path.find("/.bartizan-") != std::string::npos;
    if (named == 0) {
      fs::remove_all(scratch_ / "work/out");
      continue;
    }
    EXPECT_EQ(seen->words, "ok");
    EXPECT_TRUE(seen->failed.starts_with("open")) << seen->failed;
    expect_whole_image();
  }
  EXPECT_EQ(named, 2);  // made and unlinked
}

TEST_F(Faults, KilledAtManySystemCalls) {
  auto calm = watch([&] { return describe_build(); });
  ASSERT_TRUE(calm && calm->words == "ok") << "no child could be traced";
  fs::remove_all(scratch_ / "work/out");
  constexpr uint64_t kMoments = 40;
  int abandoned = 0;
  for (uint64_t moment = 1; moment <= kMoments; ++moment) {
    uint64_t call = std::max<uint64_t>(1, calm->calls * moment / kMoments);
    auto seen = watch([&] { return describe_build(); }, {0, 0, call});
    ASSERT_TRUE(seen);
    auto names = left();
    if (names.contains("out")) {  // its name is given last
      expect_whole_image();
      continue;
    }
    ASSERT_LE(names.size(), 1u);
    if (names.empty()) continue;
    ++abandoned;
    EXPECT_TRUE(names.begin()->starts_with("out.partial-")) << *names.begin();
    if (abandoned % 8 == 1) {
      ASSERT_EQ(describe_build(), "ok");
      expect_whole_image();
    }
  }
  EXPECT_GT(abandoned, 10);
  ASSERT_EQ(describe_build(), "ok");
  expect_whole_image();
}

// A disk that is really full, of each size up to one that suffices.
TEST_F(Faults, DiskOfEachSize) {
  std::string disk = (scratch_ / "work").string();
  int refused = 0;
  for (int kib = 16;; kib += 64) {
    ASSERT_LT(kib, 8192);
    ToolResult mounted =
        run_tool(fmt::format("mount -t tmpfs -o size={}k,nr_inodes=64 none '{}'", kib, disk));
    if (mounted.status != 0) GTEST_SKIP() << "no mount of a tmpfs here: " << mounted.output;
    auto report = build_image(options());
    auto names = left();
    EXPECT_EQ(run_tool(fmt::format("umount '{}'", disk)).status, 0);
    if (report.ok()) break;
    ++refused;
    EXPECT_EQ(report.error().code, ErrorCode::resource_exhausted) << report.error().describe();
    EXPECT_NE(report.error().describe().find("work/out"), std::string::npos)
        << report.error().describe();
    EXPECT_EQ(names, std::set<std::string>{});
  }
  EXPECT_GT(refused, 10);
}

TEST_F(Faults, CancelledWheneverAsked) {
  int asked = 0;
  auto calm = options();
  calm.progress = [&asked](const Progress&) { return ++asked > 0; };
  ASSERT_TRUE(build_image(calm).ok());
  fs::remove_all(calm.output);
  EXPECT_GE(asked, 4);
  for (int last = 1, total = asked; last <= total; ++last) {
    auto options = this->options();
    int left_to_ask = last;
    options.progress = [&left_to_ask](const Progress&) { return --left_to_ask > 0; };
    auto report = build_image(options);
    ASSERT_FALSE(report.ok()) << last << " of " << total;
    EXPECT_EQ(report.error().code, ErrorCode::cancelled) << report.error().describe();
    EXPECT_EQ(left(), std::set<std::string>{});
  }
}

}  // namespace
}  // namespace bartizan::test
