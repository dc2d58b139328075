// The JSON of a LUKS2 header.
#include "image/luks2/header.hpp"

#include <gtest/gtest.h>

#include "image/support.hpp"

namespace bartizan::image {
namespace {

// As cryptsetup 2.6.1 wrote it.
std::string luks2_json() {
  return test::read_text(std::string(BARTIZAN_SOURCE_DIR) +
                         "/tests/fuzz/corpus/luks2_json_fuzz/header");
}

TEST(Luks2Json, NumbersOfAHeaderThatCryptsetupMade) {
  auto luks2 = luks2::parse_luks2_json(luks2_json());
  ASSERT_TRUE(luks2.ok()) << luks2.error().describe();
  EXPECT_EQ(luks2->cipher, "aes-xts-plain64");
  EXPECT_EQ(luks2->key_bytes, 64u);
  EXPECT_EQ(luks2->keyslot.offset, 32768u);
  EXPECT_EQ(luks2->keyslot.stripes, 4000u);
  EXPECT_EQ(luks2->keyslot.iterations, 1000u);
  EXPECT_EQ(luks2->keyslot.salt.size(), 32u);
  EXPECT_EQ(luks2->digest.value.size(), 32u);
}

TEST(Luks2Json, RefusesWhatIsNotThere) {
  auto with = [](std::string_view from, std::string_view to) {
    std::string text = luks2_json();
    size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return luks2::parse_luks2_json(text.replace(at, from.size(), to));
  };
  EXPECT_EQ(with("\"segments\"", "\"segmentz\"").error().code, ErrorCode::corrupt);
  EXPECT_EQ(with("\"pbkdf2\"", "\"argon2id\"").error().code, ErrorCode::unsupported);
  EXPECT_EQ(with("\"32768\"", "\"-1\"").error().code, ErrorCode::corrupt);
  EXPECT_EQ(with("\"32768\"", "\"99999999999999999999\"").error().code, ErrorCode::corrupt);
  EXPECT_EQ(luks2::parse_luks2_json("[]").error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::image
