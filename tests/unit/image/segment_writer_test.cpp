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
  SegmentWriter writer(fd.get(), kStart, key, "test");
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

TEST(SegmentWriter, FailureReachesTheCaller) {
  UniqueFd fd(::open("/dev/null", O_RDONLY));
  SecretBytes key = crypto::random_secret(64).value();
  SegmentWriter writer(fd.get(), 0, key, "the disk");
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
  SegmentWriter writer(fd.get(), 0, key, "test");
  writer.write(0, Bytes(3 << 20)).value();
}

}  // namespace
}  // namespace bartizan::image
