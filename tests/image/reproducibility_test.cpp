// The same source, options and key in a process that lives elsewhere: same bytes. Other clock, time
// zone, locale, umask, user, folder, file system, processors; another order of the files of the
// source. And how much memory a build takes, whatever the image.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;

// A user who is not root gets there, too.
class Reproducibility : public testing::Test {
 protected:
  void SetUp() override {
    fs::permissions(scratch_.path(), fs::perms(0777));
    write_text(scratch_ / "key", "0123456789abcdefghijklmnopqrstuv");
  }
  ToolResult run(const std::string& command) {
    return run_tool(fmt::format("cd '{}' && {}", scratch_.path().string(), command));
  }
  static std::string build_once() {
    return fmt::format("'{}/tests/image/image_build_once'", BARTIZAN_BINARY_DIR);
  }
  void make_source() {
    std::string big(2'500'000, 'x');
    for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
    make_layout(scratch_ / "src", {{make_tar({{"etc/", '5'}, {"etc/a", '0', "1"}, {"\xc3\xa4"}})},
                                   {make_tar({{"big", '0', big}, {"etc/b", '1', "", "etc/a"}})}});
  }
  // Of the names and contents of all files in it.
  std::string fingerprint(const std::string& folder) {
    return run(fmt::format(
                   "cd {} && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum",
                   folder))
        .output;
  }
  ScratchFolder scratch_;
};

struct Place {
  const char* name;
  const char* command;  // {0}: the program
  const char* needs;    // a command that works where this can
};
constexpr Place kPlaces[] = {
    {"umask", "(umask 0077 && {0} src other key)", "true"},
    {"time zone", "TZ=Asia/Kathmandu {0} src other key", "true"},
    {"locale", "LOCPATH=$PWD LC_ALL=tr_TR.UTF-8 {0} src other key",
     "localedef -i tr_TR -f UTF-8 ./tr_TR.UTF-8"},
    {"locale of bytes", "LC_ALL=C {0} src other key", "true"},
    {"clock", "faketime '2031-07-08 09:10:11' {0} src other key", "faketime now true"},
    {"old clock", "faketime '1999-01-01 00:00:00' {0} src other key", "faketime now true"},
    {"other folder", "mkdir -p a/b && cd a/b && {0} ../../src ../../other ../../key", "true"},
    {"relative names", "{0} ./src/ other/ key", "true"},
    {"user", "setpriv --reuid=65534 --regid=65534 --clear-groups {0} src other key",
     "setpriv --reuid=65534 --regid=65534 --clear-groups true"},
    {"one processor", "taskset -c 0 {0} src other key", "taskset -c 0 true"},
    {"empty environment", "env -i {0} src other key", "true"},
    {"file system",
     "mkdir ram && mount -t tmpfs none ram && {0} src ram/other key && "
     "cp -r ram/other . ; status=$?; umount ram; exit $status",
     "mkdir -p probe && mount -t tmpfs none probe && umount probe"},
    {"order of files",
     "mv src old && mkdir src && find old -depth | sort -r | cpio --quiet -pdm new "
     "&& mv new/old/* src && {0} src other key",
     "true"},
};

TEST_F(Reproducibility, SameBytes) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "faketime preloads a library, which AddressSanitizer wants to be the first to do";
#endif
  make_source();
  ToolResult here = run(build_once() + " src here key");
  ASSERT_EQ(here.status, 0) << here.output;
  std::string want = fingerprint("here");
  EXPECT_GT(want.size(), 300u);
  std::string not_here;
  for (const Place& place : kPlaces) {
    if (run(place.needs).status != 0) {
      not_here += std::string(" ") + place.name;
      continue;
    }
    ToolResult there = run(fmt::format(fmt::runtime(place.command), build_once()));
    EXPECT_EQ(there.status, 0) << place.name << ": " << there.output;
    EXPECT_TRUE(fingerprint("other") == want) << place.name;
    run("rm -rf other");
  }
  RecordProperty("not_possible_here", not_here);
}

// What a few bytes can ask for. The limit is a promise (docs/SPECIFICATION.md) and includes the
// program itself.
class Memory : public Reproducibility {
 protected:
  void expect_small([[maybe_unused]] long mib = 256) {
    ToolResult built = run(build_once() + " src out key");
    ASSERT_EQ(built.status, 0) << built.output;
#ifndef __SANITIZE_ADDRESS__
    EXPECT_LT(std::stol(built.output), mib);
#endif
    RecordProperty("mib", built.output);
  }
};

TEST_F(Memory, OfALargeSparseFile) {
  ASSERT_EQ(run("truncate -s 1G hole && tar --sparse --format=posix -cf layer.tar hole").status, 0);
  make_layout(scratch_ / "src", {{read_text(scratch_ / "layer.tar")}});
  expect_small();
}

TEST_F(Memory, OfManyEntries) {
  ASSERT_EQ(run(fmt::format("python3 -B '{}/tests/image/made_bases.py' many layer.tar",
                            BARTIZAN_SOURCE_DIR))
                .status,
            0);
  make_layout(scratch_ / "src", {{read_text(scratch_ / "layer.tar")}});
  expect_small();
}

// As many as an image may have, in as many bytes as they may have; quickly a tenth of them, which
// must not take more than a tenth of what is left beside what every build takes.
TEST_F(Memory, OfAsManyNamesAsThereMayBe) {
  constexpr long kBase = 56;  // MiB: the program, its buffers, the first pages of metadata
  const bool soak = soaking();
  ASSERT_EQ(run(fmt::format("python3 -B '{}/tests/image/made_bases.py' names-{} layer.tar && "
                            "zstd -q layer.tar -o layer.zst",
                            BARTIZAN_SOURCE_DIR, soak ? 1'998'900 : 200'000))
                .status,
            0);
  make_layout(scratch_ / "src",
              {{read_text(scratch_ / "layer.zst"), "application/vnd.oci.image.layer.v1.tar+zstd",
                read_text(scratch_ / "layer.tar")}});
  expect_small(soak ? 256 : kBase + (256 - kBase) / 10);
}

}  // namespace
}  // namespace bartizan::test
