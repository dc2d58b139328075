// The stub's SHA-256 in both ways against OpenSSL's.
#include "guest/stub/sha256.hpp"

#include <cpuid.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <memory>
#include <random>

#include "base/bytes.hpp"

namespace bartizan::guest::stub {
namespace {

bool processor_has_sha() {
  uint32_t eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & 1u << 29) != 0;
}

class StubSha256 : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !processor_has_sha())
      GTEST_SKIP() << "this processor has no SHA instructions";
  }
};

Bytes noise(size_t size) {
  std::mt19937_64 random(size);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

Bytes expected(const Bytes& bytes) {
  Bytes digest(kSha256Bytes);
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

Bytes hash(const Bytes& bytes, size_t chunk, bool instructions) {
  Sha256 hash(instructions);
  for (size_t at = 0; at < bytes.size(); at += chunk) {
    hash.update(bytes.data() + at, std::min(chunk, bytes.size() - at));
  }
  Bytes digest(kSha256Bytes);
  hash.finish(digest.data());
  return digest;
}

TEST_P(StubSha256, EveryLengthOfFourBlocks) {
  for (size_t size = 0; size <= 256; size++) {
    Bytes bytes = noise(size);
    EXPECT_EQ(hash(bytes, size + 1, GetParam()), expected(bytes)) << size;
  }
}

TEST_P(StubSha256, PiecesOfAnySize) {
  Bytes bytes = noise(3001);
  for (size_t chunk : {1, 2, 55, 56, 63, 64, 65, 100, 127, 128, 129, 1000, 3000}) {
    EXPECT_EQ(hash(bytes, chunk, GetParam()), expected(bytes)) << chunk;
  }
}

// 513 MiB, in the quicker way: the end of a message is the same code in both.
TEST(StubSha256Length, MoreBitsThanThirtyTwoCanCount) {
  Bytes bytes(1 << 20, 0x5a);
  Sha256 ours(processor_has_sha());
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> theirs(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  ASSERT_EQ(EVP_DigestInit_ex(theirs.get(), EVP_sha256(), nullptr), 1);
  for (int i = 0; i < 513; i++) {
    ours.update(bytes.data(), bytes.size());
    EVP_DigestUpdate(theirs.get(), bytes.data(), bytes.size());
  }
  Bytes digest(kSha256Bytes), other(kSha256Bytes);
  ours.finish(digest.data());
  EVP_DigestFinal_ex(theirs.get(), other.data(), nullptr);
  EXPECT_EQ(digest, other);
}

INSTANTIATE_TEST_SUITE_P(Ways, StubSha256, testing::Bool(),
                         [](const auto& way) { return way.param ? "Instructions" : "General"; });

}  // namespace
}  // namespace bartizan::guest::stub
