// The same source, options and key material make the same bytes, whatever clock, locale and umask
// are; without them, or with another image, nothing repeats.
#include <gtest/gtest.h>
#include <locale.h>
#include <sys/stat.h>

#include <map>

#include "base/file.hpp"
#include "crypto/hash.hpp"
#include "image/luks2/header.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr char kGivenKey[] = "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89";

class Reproducible : public testing::Test {
 protected:
  void SetUp() override {
    std::string big(3'000'000, 'x');
    for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
    make_layout(scratch_ / "src",
                {{make_tar({{"etc/", '5'}, {"etc/secret", '0', "blue"}})},
                 {make_tar({{"big", '0', big}, {"etc/x", '0', "1"}})}},
                "latest", R"({"Cmd":["/x"]})");
  }
  BuildOptions options(const std::string& name) const {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / name;
    options.disk_key = SecretBytes::from_string(kGivenKey);
    options.reproducible = true;
    options.force = true;  // for the program that is not in it: the digest below is older than that
    return options;
  }
  std::map<std::string, std::string> build(const BuildOptions& options) {
    auto report = build_image(options);
    EXPECT_TRUE(report.ok()) << report.error().describe();
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(options.output)) {
      if (entry.is_regular_file())
        files[fs::relative(entry.path(), options.output)] = read_text(entry.path());
    }
    return files;
  }
  SecretBytes volume_key(const std::string& name) {
    extract_disk(scratch_ / name, scratch_ / "disk");
    return image::luks2::open_luks2(scratch_ / "disk", SecretBytes::from_string(kGivenKey)).value();
  }

  ScratchFolder scratch_;
};

TEST_F(Reproducible, SameBytesUnderAnotherUmaskLocaleAndTimeZone) {
  auto first = build(options("first"));
  ASSERT_GE(first.size(), 5u);
  mode_t mask = ::umask(0077);
  ::setenv("TZ", "Asia/Kathmandu", 1);
  ::setenv("LC_ALL", "tr_TR.UTF-8", 1);
  ::setlocale(LC_ALL, "");
  auto second = build(options("second"));
  ::umask(mask);
  ::setlocale(LC_ALL, "C");
  EXPECT_TRUE(first == second);
}

// Fixed here: a build next year, or on another machine, must give it too.
TEST_F(Reproducible, SameDigestAsEver) {
  auto report = build_image(options("out"));
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_EQ(to_hex(report->workload_digest),
            "9de940944a37d823907584ffdb1ed11236f6c48f883e769584cc1445995dab91");
}

TEST_F(Reproducible, FreshRandomnessWithoutIt) {
  auto plain = options("plain"), again = options("again");
  plain.reproducible = again.reproducible = false;
  EXPECT_FALSE(build(plain) == build(again));
  EXPECT_FALSE(volume_key("plain").equals(volume_key("again")));
}

TEST_F(Reproducible, AnotherImageUnderTheSameKeyHasAnotherVolumeKey) {
  build(options("one"));
  fs::remove_all(scratch_ / "src");
  make_layout(scratch_ / "src", {{make_tar({{"other"}})}});
  build(options("two"));
  EXPECT_FALSE(volume_key("one").equals(volume_key("two")));
}

TEST_F(Reproducible, WantsAKeyLongEnough) {
  auto bad = options("bad");
  bad.disk_key = SecretBytes::from_string("short");
  auto report = build_image(bad);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::invalid_argument);
  bad.disk_key.reset();
  EXPECT_FALSE(build_image(bad).ok());
}

}  // namespace
}  // namespace bartizan::test
