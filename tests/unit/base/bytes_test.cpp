#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace bartizan {
namespace {

TEST(Hex, RoundTripsAndRefusesNonsense) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0xab, 0xff}), "00abff");
  EXPECT_EQ(from_hex("00AbfF").value(), (Bytes{0x00, 0xab, 0xff}));
  EXPECT_EQ(from_hex("0").error().code, ErrorCode::corrupt);
  EXPECT_EQ(from_hex("0g").error().code, ErrorCode::corrupt);
}

// RFC 4648 §10 vectors, and texts that a lenient decoder would take.
TEST(Base64Text, FollowsRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (auto [plain, text] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), text);
    EXPECT_EQ(as_text(from_base64(text).value()), plain);
  }
  EXPECT_EQ(to_base64(Bytes{0xfb, 0xff}, Base64::url), "-_8");
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zh==", "Zm9v\n", "Zm 9"}) {
    EXPECT_FALSE(from_base64(bad).ok()) << bad;
  }
}

TEST(ByteReader, StopsAtTheEnd) {
  Bytes bytes{1, 2, 3};
  ByteReader reader(bytes, "thing");
  EXPECT_EQ(reader.read<uint16_t>().value(), 0x0201);
  auto past = reader.read<uint32_t>();
  ASSERT_FALSE(past.ok());
  EXPECT_EQ(past.error().code, ErrorCode::corrupt);
  EXPECT_NE(past.error().message.find("thing"), std::string::npos);
  EXPECT_EQ(reader.take(1).value()[0], 3);
}

}  // namespace
}  // namespace bartizan
