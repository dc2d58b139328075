#include "image/luks2/segment_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.hpp"
#include "crypto/aes_xts.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image {
namespace {

TEST(SegmentWriter, WhatItWritesDecryptsToWhatItGot) {
  char name[] = "/tmp/bartizan-segment-XXXXXX";
  UniqueFd fd(::mkstemp(name));
  ::unlink(name);
  SecretBytes key = crypto::random_secret(64).value();
  constexpr uint64_t kStart = 8192, kSize = 5 * (1 << 20) + 12 * 4096;
  Bytes plain(kSize);
  for (size_t i = 0; i < kSize; ++i) plain[i] = static_cast<uint8_t>(i * 7 + i / 4096);
  luks2::SegmentWriter writer(fd.get(), kStart, key, "test");
  for (uint64_t at = 4096; at < kSize; at += 100'000) {  // the first block comes last
    writer.write(at, ByteView(plain).subspan(at, std::min<uint64_t>(100'000, kSize - at))).value();
  }
  writer.write(0, ByteView(plain).first(4096)).value();
  ASSERT_TRUE(writer.finish().ok());
  Bytes stored(kSize);
  read_exactly(fd.get(), stored, kStart, "test").value();
  EXPECT_NE(stored, plain);
  auto cipher =
      crypto::AesXts::create(key.bytes(), 4096, crypto::AesXts::Direction::decrypt).value();
  cipher.process(stored, stored, 0).value();
  EXPECT_EQ(stored, plain);
}

// The stream hashes what lies in the file, in order, though several threads write it; what
// is written again is not hashed again.
TEST(SegmentWriter, StreamHashesTheCiphertextInOrder) {
  char name[] = "/tmp/bartizan-segment-XXXXXX";
  UniqueFd fd(::mkstemp(name));
  ::unlink(name);
  SecretBytes key = crypto::random_secret(64).value();
  crypto::Hasher stream(crypto::HashKind::sha256);
  constexpr uint64_t kSize = 40 << 20;  // more than all buffers together
  Bytes block(4096, 1);
  luks2::SegmentWriter writer(fd.get(), 0, key, "test", {.stream = &stream});
  writer.write(0, block).value();
  for (uint64_t at = 4096; at < kSize; at += 4096) {
    store_le<uint64_t>(block.data(), at);
    writer.write(at, block).value();
  }
  writer.write(0, Bytes(4096, 1)).value();  // the same as before
  ASSERT_TRUE(writer.finish().ok());
  Bytes stored(kSize);
  read_exactly(fd.get(), stored, 0, "test").value();
  auto expected = crypto::sha256(stored);
  EXPECT_EQ(to_hex(stream.finish()), to_hex(expected));
}

// A jump back waits for what went there before: the later write wins.
TEST(SegmentWriter, TheLaterWriteWins) {
  char name[] = "/tmp/bartizan-segment-XXXXXX";
  UniqueFd fd(::mkstemp(name));
  ::unlink(name);
  SecretBytes key = crypto::random_secret(64).value();
  luks2::SegmentWriter writer(fd.get(), 0, key, "test");
  for (uint8_t round = 0; round < 50; ++round) writer.write(0, Bytes(8192, round)).value();
  ASSERT_TRUE(writer.finish().ok());
  Bytes stored(8192);
  read_exactly(fd.get(), stored, 0, "test").value();
  auto cipher =
      crypto::AesXts::create(key.bytes(), 4096, crypto::AesXts::Direction::decrypt).value();
  cipher.process(stored, stored, 0).value();
  EXPECT_EQ(stored, Bytes(8192, 49));
}

TEST(SegmentWriter, FailureReachesTheCaller) {
  UniqueFd fd(::open("/dev/null", O_RDONLY));
  SecretBytes key = crypto::random_secret(64).value();
  luks2::SegmentWriter writer(fd.get(), 0, key, "the disk");
  Bytes data(1 << 20);
  Result<void> result;
  for (int i = 0; i < 100 && result.ok(); ++i) result = writer.write(uint64_t(i) << 20, data);
  if (result.ok()) result = writer.finish();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().os_errno, EBADF);
  EXPECT_NE(result.error().message.find("the disk"), std::string::npos);
}

TEST(SegmentWriter, AbandonedWithoutFinish) {
  UniqueFd fd(::open("/dev/null", O_WRONLY));
  SecretBytes key = crypto::random_secret(64).value();
  luks2::SegmentWriter writer(fd.get(), 0, key, "test");
  writer.write(0, Bytes(3 << 20)).value();
}

}  // namespace
}  // namespace bartizan::image
