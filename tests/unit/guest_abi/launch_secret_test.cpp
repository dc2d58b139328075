// The launch secret's table: what is written is read; other writers' tables are read; all else is
// refused.
#include "guest_abi/launch_secret.hpp"

#include <gmock/gmock.h>

namespace bartizan {
namespace {

using ::testing::HasSubstr;

Bytes hex(std::string_view text) {
  return from_hex(text).value();
}

// As `sevctl secret build` and OVMF have them.
const std::string kTable = "42f5741edd71664d963eef4287ff173b";
const std::string kPassphrase = "e5696873f084734992ec06879ce3da0b";
const std::string kDigest = "8c6b4dbf0e9c524a8d9f64b2c1d0e7a3";
const std::string kOther = "00112233445566778899aabbccddeeff";
const std::string kWorkload(64, 'a');

TEST(LaunchSecret, WhatIsWrittenIsRead) {
  guest_abi::LaunchSecret secret;
  secret.workload_digest.fill(7);
  secret.disk_key = SecretBytes::from_string("correct horse");
  SecretBytes table = guest_abi::write_launch_secret(secret).value();
  Bytes page(guest_abi::kLaunchSecretBytes);
  std::ranges::copy(table.bytes(), page.begin());
  auto read = guest_abi::parse_launch_secret(page).value().value();
  EXPECT_EQ(read.workload_digest, secret.workload_digest);
  EXPECT_EQ(read.disk_key.view(), "correct horse");
}

TEST(LaunchSecret, TablesOfOthers) {
  Bytes table = hex(kTable + "60000000" + kOther + "18000000" + "01020304" + kDigest + "34000000" +
                    kWorkload);
  EXPECT_THAT(guest_abi::parse_launch_secret(table).error().message, HasSubstr("no disk key"));
  Bytes whole = hex(kTable + "77000000" + kPassphrase + "17000000" + "616263" + kOther +
                    "18000000" + "01020304" + kDigest + "34000000" + kWorkload);
  whole.resize(128);
  auto secret = guest_abi::parse_launch_secret(whole).value().value();
  EXPECT_EQ(secret.disk_key.view(), "abc");
  EXPECT_EQ(to_hex(secret.workload_digest), kWorkload);
}

TEST(LaunchSecret, NothingThere) {
  EXPECT_FALSE(
      guest_abi::parse_launch_secret(Bytes(guest_abi::kLaunchSecretBytes)).value().has_value());
  EXPECT_FALSE(guest_abi::parse_launch_secret({}).value().has_value());
}

TEST(LaunchSecret, WhatIsNoTableOrLacksAnEntry) {
  const std::string digest = kDigest + "34000000" + kWorkload,
                    disk_key = kPassphrase + "15000000" + "61";
  auto refusal = [](const std::string& text) {
    auto parsed = guest_abi::parse_launch_secret(from_hex(text).value());
    EXPECT_EQ(parsed.error().code, ErrorCode::corrupt) << text;
    return parsed.error().message;
  };
  EXPECT_THAT(refusal(kOther + "14000000"), HasSubstr("no table"));
  EXPECT_THAT(refusal(kTable + "13000000"), HasSubstr("table of 19 bytes in 20"));
  EXPECT_THAT(refusal(kTable + "ffffffff"), HasSubstr("table of 4294967295 bytes"));
  EXPECT_THAT(refusal(kTable + "14000000"), HasSubstr("no workload digest"));
  EXPECT_THAT(refusal(kTable + "29000000" + disk_key), HasSubstr("no workload digest"));
  EXPECT_THAT(refusal(kTable + "3e000000" + disk_key + disk_key), HasSubstr("twice"));
  EXPECT_THAT(refusal(kTable + "28000000" + kPassphrase + "13000000"),
              HasSubstr("entry of 19 bytes"));
  EXPECT_THAT(refusal(kTable + "28000000" + kPassphrase + "15000000"),
              HasSubstr("entry of 21 bytes in 20"));
  EXPECT_THAT(refusal(kTable + "16000000" + "0000"), HasSubstr("entry of 0 bytes in 2"));
  EXPECT_THAT(refusal(kTable + "5c000000" + digest + kPassphrase + "14000000"),
              HasSubstr("no disk key"));
}

TEST(LaunchSecret, APassphraseThatDoesNotFit) {
  guest_abi::LaunchSecret secret;
  secret.disk_key = SecretBytes(3748);
  EXPECT_EQ(guest_abi::write_launch_secret(secret).value().size(), guest_abi::kLaunchSecretBytes);
  secret.disk_key = SecretBytes(3749);
  EXPECT_EQ(guest_abi::write_launch_secret(secret).error().code, ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace bartizan
