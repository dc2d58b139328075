#include "plan/bundle/bundle_json.hpp"

#include <gtest/gtest.h>

namespace bartizan::plan::bundle {
namespace {

const std::string kDigest(64, 'a');

std::string text(std::string_view version = "2", std::string_view digest = kDigest,
                 std::string_view line = "quiet", std::string_view more = "",
                 std::string_view tees = R"(,"tees":["none","snp"])") {
  return "{\"command_line\":\"" + std::string(line) + "\",\"initrd_sha256\":\"" +
         std::string(digest) + "\",\"kernel_release\":\"6.1\",\"kernel_sha256\":\"" + kDigest +
         "\"" + std::string(more) + std::string(tees) + ",\"version\":" + std::string(version) +
         "}";
}

TEST(BundleJson, GoesBothWays) {
  auto info = parse_bundle_json(text()).value();
  EXPECT_EQ(info.kernel_release, "6.1");
  EXPECT_EQ(info.command_line, "quiet");
  EXPECT_EQ(info.tees, (std::vector{Tee::none, Tee::snp}));
  EXPECT_EQ(bundle_json(info).value(), text());
}

TEST(BundleJson, NewerVersionIsUnsupportedAndSaysWhich) {
  auto error = parse_bundle_json(text("3")).error();
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.message.find("version 3"), std::string::npos);
}

TEST(BundleJson, TeesAreKnownInOrderAndThere) {
  for (std::string_view tees :
       {"", R"(,"tees":[])", R"(,"tees":"snp")", R"(,"tees":[4])", R"(,"tees":["snp","none"])",
        R"(,"tees":["snp","snp"])", R"(,"tees":["none","sgx"])"}) {
    auto info = parse_bundle_json(text("2", kDigest, "quiet", "", tees));
    ASSERT_FALSE(info.ok()) << tees;
    EXPECT_EQ(info.error().code, ErrorCode::corrupt);
    EXPECT_NE(info.error().message.find("tees"), std::string::npos) << info.error().message;
  }
  EXPECT_EQ(parse_bundle_json(text("1", kDigest, "quiet", "", "")).error().code,
            ErrorCode::unsupported)
      << "made before bundles had the list";
}

TEST(BundleJson, DamageIsCorrupt) {
  const std::string bad[] = {"",
                             "[]",
                             "{}",
                             text("\"2\""),
                             text("2", "abc"),
                             text("2", std::string(64, 'A')),
                             text("2", kDigest, "a\\nb"),
                             text("2", kDigest, "quiet", ",\"more\":1"),
                             text("2", kDigest, std::string(20000, 'x'))};
  for (const auto& document : bad) {
    auto info = parse_bundle_json(document);
    ASSERT_FALSE(info.ok()) << document;
    EXPECT_EQ(info.error().code, ErrorCode::corrupt) << info.error().describe();
  }
}

}  // namespace
}  // namespace bartizan::plan::bundle
