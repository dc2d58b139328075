#include "crypto/hash.hpp"

#include <gtest/gtest.h>

namespace bartizan::crypto {
namespace {

// FIPS 180-4 example "abc".
TEST(Hash, KnownAnswers) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher hasher(HashKind::sha384);
  hasher.update(as_bytes("a"));
  hasher.update(as_bytes("bc"));
  EXPECT_EQ(to_hex(hasher.finish()), to_hex(sha384(as_bytes("abc"))));
}

// RFC 7914 §11, PBKDF2-HMAC-SHA-256.
TEST(Hkdf, Rfc5869Case1) {
  Bytes key(22, 0x0b), salt = from_hex("000102030405060708090a0b0c").value();
  std::string label = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9";
  auto derived = crypto::hkdf_sha256(key, salt, label, 42);
  ASSERT_TRUE(derived.ok()) << derived.error().describe();
  EXPECT_EQ(to_hex(derived->bytes()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_FALSE(crypto::hkdf_sha256(key, salt, label, 8161).ok());
}

TEST(PrefixHasher, EqualsHashOfBothTogether) {
  crypto::PrefixHasher hasher(as_bytes("ab"));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(hasher.hash(as_bytes("c")), crypto::sha256(as_bytes("abc")));
}

TEST(Pbkdf2, KnownAnswer) {
  auto key = pbkdf2(as_bytes("passwd"), as_bytes("salt"), 1, "sha256", 64).value();
  EXPECT_EQ(to_hex(key.bytes()).substr(0, 32), "55ac046e56e3089fec1691c22544b605");
  EXPECT_EQ(pbkdf2(as_bytes("p"), as_bytes("s"), 1, "rot13", 32).error().code,
            ErrorCode::unsupported);
}

TEST(SecretBytes, ComparesAndWipes) {
  auto a = SecretBytes::from_string("key"), b = a.clone();
  EXPECT_TRUE(a.equals(b));
  b.wipe();
  EXPECT_TRUE(b.empty());
  EXPECT_FALSE(a.equals(b));
}

}  // namespace
}  // namespace bartizan::crypto
