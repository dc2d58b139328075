#include "crypto/hash.hpp"

#include <gtest/gtest.h>

namespace bartizan::crypto {
namespace {

// FIPS 180-4 example "abc".
TEST(Hash, KnownAnswers) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher hasher(HashKind::sha384);
  hasher.update(as_bytes("a"));
  hasher.update(as_bytes("bc"));
  EXPECT_EQ(to_hex(hasher.finish()), to_hex(sha384(as_bytes("abc"))));
}

// RFC 7914 §11, PBKDF2-HMAC-SHA-256.
TEST(Pbkdf2, KnownAnswer) {
  auto key = pbkdf2(as_bytes("passwd"), as_bytes("salt"), 1, "sha256", 64).value();
  EXPECT_EQ(to_hex(key.bytes()).substr(0, 32), "55ac046e56e3089fec1691c22544b605");
  EXPECT_EQ(pbkdf2(as_bytes("p"), as_bytes("s"), 1, "rot13", 32).error().code, ErrorCode::unsupported);
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
