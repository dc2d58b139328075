#include "base/json.hpp"

#include <gtest/gtest.h>

namespace bartizan {
namespace {

TEST(ParseJson, RefusesWhatTwoReadersWouldReadDifferently) {
  EXPECT_TRUE(parse_json(R"({"a":1,"b":{"a":2}})", "x").ok());
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})", "x").error().code, ErrorCode::corrupt);
  EXPECT_EQ(parse_json("{", "x").error().code, ErrorCode::corrupt);
  EXPECT_EQ(parse_json("{} {}", "x").error().code, ErrorCode::corrupt);
}

TEST(ParseJson, RefusesDeepNesting) {
  std::string deep(1000, '['), end(1000, ']');
  EXPECT_EQ(parse_json(deep + end, "bomb").error().code, ErrorCode::corrupt);
}

TEST(CanonicalJson, SortsAndMinimises) {
  Json value = {{"b", 1}, {"a", "test"}, {"c", {{"d", "e"}}}};
  EXPECT_EQ(canonical_json(value).value(), R"({"a":"test","b":1,"c":{"d":"e"}})");
  EXPECT_EQ(canonical_json(Json("\x01\b\n\"\\/\x7f é")).value(),
            "\"\\u0001\\b\\n\\\"\\\\/\x7f é\"");
}

TEST(CanonicalJson, RefusesWhatHasNoExactForm) {
  EXPECT_FALSE(canonical_json(Json(1.5)).ok());
  EXPECT_FALSE(canonical_json(Json(uint64_t{1} << 53)).ok());
  EXPECT_FALSE(canonical_json(Json("\xff")).ok());
}

}  // namespace
}  // namespace bartizan
