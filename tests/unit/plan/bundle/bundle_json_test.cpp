#include "plan/bundle/bundle_json.hpp"

#include <gtest/gtest.h>

namespace bartizan::plan::bundle {
namespace {

const std::string kDigest(64, 'a');

std::string text(std::string_view version = "1", std::string_view digest = kDigest,
                 std::string_view line = "quiet", std::string_view more = "") {
  return "{\"command_line\":\"" + std::string(line) + "\",\"initrd_sha256\":\"" +
         std::string(digest) + "\",\"kernel_release\":\"6.1\",\"kernel_sha256\":\"" + kDigest +
         "\"" + std::string(more) + ",\"version\":" + std::string(version) + "}";
}

TEST(BundleJson, GoesBothWays) {
  auto info = parse_bundle_json(text()).value();
  EXPECT_EQ(info.kernel_release, "6.1");
  EXPECT_EQ(info.command_line, "quiet");
  EXPECT_EQ(bundle_json(info).value(), text());
}

TEST(BundleJson, NewerVersionIsUnsupportedAndSaysWhich) {
  auto error = parse_bundle_json(text("2")).error();
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.message.find("version 2"), std::string::npos);
}

TEST(BundleJson, DamageIsCorrupt) {
  const std::string bad[] = {"",
                             "[]",
                             "{}",
                             text("\"1\""),
                             text("1", "abc"),
                             text("1", std::string(64, 'A')),
                             text("1", kDigest, "a\\nb"),
                             text("1", kDigest, "quiet", ",\"more\":1"),
                             text("1", kDigest, std::string(20000, 'x'))};
  for (const auto& document : bad) {
    auto info = parse_bundle_json(document);
    ASSERT_FALSE(info.ok()) << document;
    EXPECT_EQ(info.error().code, ErrorCode::corrupt) << info.error().describe();
  }
}

}  // namespace
}  // namespace bartizan::plan::bundle
