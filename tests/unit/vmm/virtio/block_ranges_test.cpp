// Discard and write-zeroes (virtio 1.2 §5.2.6): what they leave in the file, against a model of it,
// and ranges as no driver makes them.
#include <sys/stat.h>

#include <random>

#include "disk_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint32_t kDiscard = 11, kZeroes = 13;
constexpr uint32_t kAllOfIt = kDiskBytes / 512;

Bytes entry(uint64_t sector, uint32_t sectors, uint32_t flags = 0) {
  Bytes bytes(16);
  store_le(&bytes[0], sector);
  store_le(&bytes[8], sectors);
  store_le(&bytes[12], flags);
  return bytes;
}

class BlockRanges : public DiskTest {
 protected:
  // tmpfs makes holes and zeroes no ranges: there zeros are written.
  void use_memory() {
    file_ = UniqueFd(::memfd_create("disk", MFD_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    fill();
  }
  void launch_writable() {
    launch_disk(false);
    guest_->write(0x14, 0);
    if (!(guest_->read(0x10) & kFeatureDiscard)) GTEST_SKIP() << "no holes in files of /tmp";
  }
  void zero(uint64_t sector, uint64_t sectors) {
    auto from = content_.begin() + static_cast<ptrdiff_t>(kOffset + sector * 512);
    std::fill(from, from + static_cast<ptrdiff_t>(sectors * 512), uint8_t{0});
  }
};

TEST_P(BlockRanges, AreOfferedForDisksThatAreWritten) {
  use_memory();
  launch_writable();
  guest_->write(0x14, 0);
  EXPECT_EQ(guest_->read(0x10) & 0xfffffff,
            (1u << 2) | (1u << 6) | (1u << 9) | (1u << 13) | (1u << 14));
  auto config = [&](uint64_t offset) { return guest_->transport().read(0x100 + offset, 4); };
  EXPECT_EQ(config(36), 128u * 1024 * 2);
  EXPECT_EQ(config(40), 16u);
  EXPECT_EQ(config(44), 8u);
  EXPECT_EQ(config(48), 16u * 1024 * 2);
  EXPECT_EQ(config(52), 1u);
  EXPECT_EQ(config(56), 1u);
}

TEST_P(BlockRanges, AreUnsupportedWithoutTheFeature) {
  use_memory();
  launch_disk(false);
  guest_->reset();
  ASSERT_TRUE(guest_->start(kFeatureDiscard | kFeatureWriteZeroes));
  EXPECT_EQ(status({request(kDiscard, 0), entry(0, 1)}, {1}), kUnsupported);
  EXPECT_EQ(status({request(kZeroes, 0), entry(0, 1)}, {1}), kUnsupported);
  guest_.reset();
  launch_disk(true);
  EXPECT_EQ(status({request(kDiscard, 0), entry(0, 1)}, {1}), kUnsupported);
  EXPECT_EQ(status({request(kZeroes, 0), entry(0, 1)}, {1}), kUnsupported);
  EXPECT_EQ(stored(), content_);
}

// Everything in any order, at once in a file system and where zeros have to be written. What lies
// before and behind the disk in its file belongs to somebody else.
TEST_P(BlockRanges, LeaveWhatAModelHas) {
  for (bool in_memory : {false, true}) {
    if (in_memory) use_memory();
    launch_writable();
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i) {
      const uint32_t sector = random() % kAllOfIt;
      const uint32_t sectors = random() % (kAllOfIt - sector + 1);
      switch (random() % 3) {
        case 0: {
          Bytes data(sectors * 512, static_cast<uint8_t>(i));
          std::copy(data.begin(), data.end(),
                    content_.begin() + static_cast<ptrdiff_t>(kOffset + sector * 512));
          ASSERT_EQ(status({request(1, sector), data}, {1}), kOk);
          break;
        }
        case 1:
          zero(sector, sectors);
          ASSERT_EQ(status({request(kZeroes, 0), entry(sector, sectors, random() % 2)}, {1}), kOk);
          break;
        default:
          zero(sector, sectors);
          ASSERT_EQ(status({request(kDiscard, 0), entry(sector, sectors)}, {1}), kOk);
      }
      ASSERT_EQ(stored(), content_) << i;
    }
    guest_.reset();
  }
}

TEST_P(BlockRanges, SeveralInOneRequest) {
  use_memory();
  launch_writable();
  Bytes entries;
  for (uint32_t i = 0; i < 16; ++i) {
    const Bytes one = entry(i * 4, i % 3);
    entries.insert(entries.end(), one.begin(), one.end());
    zero(i * 4, i % 3);
  }
  const Bytes first(entries.begin(), entries.begin() + 21),
      rest(entries.begin() + 21, entries.end());
  EXPECT_EQ(status({request(kDiscard, 0), first, rest}, {1}), kOk);
  EXPECT_EQ(stored(), content_);
}

// Larger than a piece of written zeros.
TEST_P(BlockRanges, ZerosOfManyPieces) {
  use_memory();
  constexpr uint64_t kLong = 1'000'000 / 512 * 512;
  content_.resize(kLong + 1024);
  fill();
  launch([&](EventLoop&) {
    BlockOptions options{UniqueFd(::dup(file_.get())), 512, kLong, false, "scratch"};
    options.engine = engine();
    return BlockDevice::create(std::move(options)).value();
  });
  EXPECT_EQ(status({request(kZeroes, 0), entry(1, kLong / 512 - 2)}, {1}), kOk);
  std::fill(content_.begin() + 1024, content_.end() - 1024, uint8_t{0});
  EXPECT_EQ(stored(), content_);
}

TEST_P(BlockRanges, HostileOnesChangeNothing) {
  use_memory();
  launch_writable();
  struct Case {
    const char* what;
    Bytes entries;
    uint8_t discard, zeroes;
  };
  Bytes good_and_bad = entry(0, 8);
  const Bytes bad = entry(kAllOfIt, 1);
  good_and_bad.insert(good_and_bad.end(), bad.begin(), bad.end());
  Bytes too_many;
  for (int i = 0; i < 17; ++i) too_many.insert(too_many.end(), 16, uint8_t{0});
  const Case cases[] = {
      {"beyond the end", entry(kAllOfIt, 1), kIoError, kIoError},
      {"across the end", entry(kAllOfIt - 1, 2), kIoError, kIoError},
      {"one longer than all", entry(0, kAllOfIt + 1), kIoError, kIoError},
      {"longest", entry(0, UINT32_MAX), kIoError, kIoError},
      {"furthest", entry(UINT64_MAX, 1), kIoError, kIoError},
      {"times 512 it is 0", entry(UINT64_MAX / 512 + 1, 1), kIoError, kIoError},
      {"the sum wraps", entry(UINT64_MAX / 512, 2), kIoError, kIoError},
      {"nothing, of nowhere", entry(kAllOfIt + 1, 0), kIoError, kIoError},
      {"nothing, at the end", entry(kAllOfIt, 0), kOk, kOk},
      {"nothing", entry(3, 0), kOk, kOk},
      {"a flag that nobody knows", entry(0, 1, 2), kUnsupported, kUnsupported},
      {"all flags", entry(0, 1, UINT32_MAX), kUnsupported, kUnsupported},
      {"unmap, of what unmaps", entry(0, 0, 1), kUnsupported, kOk},
      {"no entry", {}, kIoError, kIoError},
      {"half an entry", Bytes(8), kIoError, kIoError},
      {"one and a half", Bytes(24), kIoError, kIoError},
      {"too many", too_many, kIoError, kIoError},
      {"a good one before a bad one", good_and_bad, kIoError, kIoError},
  };
  for (const Case& one : cases) {
    std::vector<Bytes> discard = {request(kDiscard, 0)}, zeroes = {request(kZeroes, 0)};
    if (!one.entries.empty()) {
      discard.push_back(one.entries);
      zeroes.push_back(one.entries);
    }
    EXPECT_EQ(status(discard, {1}), one.discard) << one.what;
    EXPECT_EQ(status(zeroes, {1}), one.zeroes) << one.what;
  }
  EXPECT_EQ(status({request(kDiscard, 0)}, {16, 1}), kIoError) << "writable where it is read";
  auto nowhere = guest_->ask(0, {request(kDiscard, 0), entry(0, 1)}, {});
  ASSERT_TRUE(nowhere) << "no status byte: nothing is done";
  EXPECT_EQ(stored(), content_);
}

// A hole is one: blocks of the file are given back.
TEST_P(BlockRanges, DiscardedSpaceIsFree) {
  use_memory();
  constexpr uint64_t kLong = 1024 * 1024;
  content_.resize(kLong);
  fill();
  launch([&](EventLoop&) {
    BlockOptions options{UniqueFd(::dup(file_.get())), 0, kLong, false, "scratch"};
    options.engine = engine();
    return BlockDevice::create(std::move(options)).value();
  });
  struct stat before {
  }, after{};
  ASSERT_EQ(::fstat(file_.get(), &before), 0);
  EXPECT_EQ(status({request(kDiscard, 0), entry(0, kLong / 512 / 2)}, {1}), kOk);
  EXPECT_EQ(status({request(kZeroes, 0), entry(kLong / 1024, kLong / 512 / 4, 1)}, {1}), kOk);
  EXPECT_EQ(status({request(kZeroes, 0), entry(0, kLong / 512 / 4)}, {1}), kOk);
  ASSERT_EQ(::fstat(file_.get(), &after), 0);
  EXPECT_EQ(before.st_blocks, static_cast<blkcnt_t>(kLong / 512));
  EXPECT_EQ(after.st_blocks, static_cast<blkcnt_t>(kLong / 512 / 2));
  EXPECT_EQ(after.st_size, before.st_size);
}

BARTIZAN_DISK_TEST(BlockRanges);

}  // namespace
}  // namespace bartizan::vmm::virtio
