#include "runtime/settings.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "unit/runtime/sample.hpp"

namespace bartizan::runtime {
namespace {

TEST(RuntimeSettings, AllMembers) {
  auto settings = parse_settings(R"({"oci_runtime":"/usr/bin/runc","bundle":"/b","tee":"tdx",
                                     "annotations":["tee","key-file"]})")
                      .value();
  EXPECT_EQ(settings.oci_runtime, "/usr/bin/runc");
  EXPECT_EQ(settings.bundle, "/b");
  EXPECT_EQ(settings.tee, Tee::tdx);
  EXPECT_EQ(settings.annotations, (std::set<std::string>{"tee", "key-file"}));
  EXPECT_TRUE(parse_settings("{}").ok());
}

TEST(RuntimeSettings, WhatIsNotKnownIsRefused) {
  for (const char* text :
       {"", "[]", R"({"runtime":"crun"})", R"({"oci_runtime":1})", R"({"tee":"sgx"})",
        R"({"annotations":["tea"]})", R"({"annotations":"tee"})", R"({"annotations":[1]})"})
    EXPECT_FALSE(parse_settings(text).ok()) << text;
}

TEST(RuntimeSettings, FileThatIsNamedMustBeThere) {
  const Error error = read_settings("/nowhere/runtime.json").error();
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_EQ(error.message,
            "configuration /nowhere/runtime.json: no such file: write it, or leave --config out");
}

// A broken file is not called a missing one, and no word is said twice.
TEST(RuntimeSettings, BrokenFileIsNamed) {
  const std::string path = std::string(testing::TempDir()) + "/broken-runtime.json";
  for (const auto& [text, reason] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{", "not valid JSON"},
           {R"({"tee":"sgx"})", "tee: "},
           {R"({"runtime":"crun"})", "runtime: no such setting"}}) {
    ASSERT_TRUE(write_file(path, as_bytes(std::string_view(text))).ok());
    const Error error = read_settings(path).error();
    EXPECT_EQ(error.code, ErrorCode::corrupt);
    EXPECT_TRUE(error.message.starts_with("configuration " + path + ": " + reason))
        << error.message;
  }
  std::filesystem::remove(path);
}

Result<Wishes> wishes_of(const char* annotations, const Settings& settings) {
  Json config = sample_config();
  config["annotations"].update(Json::parse(annotations));
  return parse_wishes(config, settings);
}

// podman hands over the annotations of the image, among them those that we give it.
TEST(Annotations, OfImagesChangeNothing) {
  auto wishes = wishes_of("{}", {}).value();
  EXPECT_FALSE(wishes.tee);
  EXPECT_TRUE(wishes.bundle.empty() && wishes.key_file.empty() && wishes.allow.empty());
}

TEST(Annotations, HandsOverOnlyWhatTheOperatorListed) {
  constexpr const char* kAll = R"({"org.bartizan.tee":"simulated","org.bartizan.log":"guest",
    "org.bartizan.bundle":"/b","org.bartizan.key-file":"/k","org.bartizan.allow":"loopback:1,metadata"})";
  auto wishes =
      wishes_of(kAll, {"", "", {}, {"tee", "log", "bundle", "key-file", "allow"}}).value();
  EXPECT_EQ(wishes.tee, Tee::simulated);
  EXPECT_TRUE(wishes.log_guest);
  EXPECT_EQ(wishes.bundle, "/b");
  EXPECT_EQ(wishes.key_file, "/k");
  EXPECT_EQ(wishes.allow, (std::vector<std::string>{"loopback:1", "metadata"}));
  EXPECT_EQ(wishes_of(kAll, {}).error().code, ErrorCode::permission_denied);
  for (const char* one : {R"({"org.bartizan.bundle":"/b"})", R"({"org.bartizan.key-file":"/k"})",
                          R"({"org.bartizan.allow":"loopback"})"})
    EXPECT_EQ(wishes_of(one, {}).error().code, ErrorCode::permission_denied) << one;
  EXPECT_TRUE(wishes_of(R"({"org.bartizan.tee":"simulated"})", {}).ok());
  EXPECT_EQ(wishes_of(R"({"org.bartizan.broker":"https://kbs:1/"})", {}).value().broker,
            "https://kbs:1");
}

TEST(Annotations, NonsenseIsRefusedByName) {
  const Settings all{"", "", {}, {"tee", "log", "bundle", "key-file", "broker"}};
  for (const char* text : {R"({"org.bartizan.tee":"sgx"})", R"({"org.bartizan.tee":1})",
                           R"({"org.bartizan.log":"all"})", R"({"org.bartizan.bundle":"relative"})",
                           R"({"org.bartizan.broker":"kbs:1"})", R"({"org.bartizan.cpus":"8"})"}) {
    auto wishes = wishes_of(text, all);
    ASSERT_FALSE(wishes.ok()) << text;
    EXPECT_TRUE(wishes.error().message.starts_with("annotation org.bartizan.")) << text;
  }
}

}  // namespace
}  // namespace bartizan::runtime
