#include "crypto/aes_xts.hpp"

#include <gtest/gtest.h>

namespace bartizan::crypto {
namespace {

Bytes test_key() {
  Bytes key(64);
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  return key;
}

TEST(AesXts, RoundTripsAndDependsOnOffset) {
  Bytes plain(8192, 7), cipher(8192), back(8192);
  auto encrypt = AesXts::create(test_key(), 4096, AesXts::Direction::encrypt).value();
  auto decrypt = AesXts::create(test_key(), 4096, AesXts::Direction::decrypt).value();
  encrypt.process(plain, cipher, 4096).value();
  EXPECT_NE(Bytes(cipher.begin(), cipher.begin() + 4096),
            Bytes(cipher.begin() + 4096, cipher.end()));
  decrypt.process(cipher, back, 4096).value();
  EXPECT_EQ(back, plain);
}

TEST(AesXts, RefusesBadKeysAndPartialSectors) {
  Bytes equal_halves(64, 1);
  EXPECT_FALSE(AesXts::create(equal_halves, 512, AesXts::Direction::encrypt).ok());
  EXPECT_FALSE(AesXts::create(Bytes(16), 512, AesXts::Direction::encrypt).ok());
  auto encrypt = AesXts::create(test_key(), 512, AesXts::Direction::encrypt).value();
  Bytes partial(100);
  EXPECT_EQ(encrypt.process(partial, partial, 0).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace bartizan::crypto
