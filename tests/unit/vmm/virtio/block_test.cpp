#include <sys/file.h>

#include <map>

#include "disk_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

class BlockTest : public DiskTest {};

TEST_P(BlockTest, ConfigurationAndFeatures) {
  launch_disk(true);
  EXPECT_EQ(guest_->transport().read(0x100, 8), kDiskBytes / 512);
  EXPECT_EQ(guest_->transport().read(0x10c, 4), 126u);
  EXPECT_EQ(guest_->transport().read(0x114, 4), 512u);
  guest_->write(0x14, 0);
  EXPECT_EQ(guest_->read(0x10) & 0xfffffff, (1u << 2) | (1u << 5) | (1u << 6) | (1u << 9));
  EXPECT_EQ(guest_->transport().read(0x124, 4), 0u);
  EXPECT_EQ(guest_->transport().read(0x130, 4), 0u);
}

// More than the ring holds, so that some wait for others, answered in any order.
TEST_P(BlockTest, ManyRequestsAtATime) {
  launch_disk(false);
  constexpr uint32_t kRequests = 20 * 16;  // three descriptors each, of 64
  for (uint32_t round = 0; round < kRequests / 20; ++round) {
    std::map<uint32_t, std::pair<uint32_t, fakes::DriverQueue::Sent>> sent;
    for (uint32_t i = 0; i < 20; ++i) {
      const uint32_t sector = (round * 20 + i) % 64;
      auto one = guest_->send(0, {request(0, sector)}, {512, 1});
      sent.emplace(one.head, std::pair{sector, one});
    }
    for (uint32_t i = 0; i < 20; ++i) {
      auto used = guest_->wait(0);
      ASSERT_TRUE(used);
      ASSERT_TRUE(sent.contains(used->head));
      auto& [sector, one] = sent.at(used->head);
      Bytes expected = disk(sector * 512, 512);
      expected.push_back(kOk);
      ASSERT_EQ(guest_->contents(one, used->written), expected);
      sent.erase(used->head);
    }
  }
}

TEST_P(BlockTest, ReadsIntoAnyFraming) {
  launch_disk(true);
  auto got = guest_->ask(0, {request(0, 3)}, {512, 100, 412 + 512, 1}, modern());
  Bytes expected = disk(3 * 512, 3 * 512);
  expected.push_back(kOk);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, expected);
  got = guest_->ask(0, {Bytes(request(0, 63))}, {513});  // status in the data's buffer
  expected = disk(63 * 512, 512);
  expected.push_back(kOk);
  EXPECT_EQ(*got, expected);
}

TEST_P(BlockTest, WritesAndReadsBack) {
  launch_disk(false);
  Bytes data(1024);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i ^ 0x5a);
  Bytes header = request(1, 10);
  std::vector<Bytes> framing = {
      Bytes(header.begin(), header.begin() + 7), Bytes(header.begin() + 7, header.end()),
      Bytes(data.begin(), data.begin() + 300), Bytes(data.begin() + 300, data.end())};
  auto done = guest_->ask(0, framing, {1}, modern());
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, Bytes{kOk});
  EXPECT_EQ(*guest_->ask(0, {request(4, 0)}, {1}), Bytes{kOk});  // flush
  Bytes stored(1024);
  ASSERT_EQ(::pread(file_.get(), stored.data(), 1024, kOffset + 10 * 512), 1024);
  EXPECT_EQ(stored, data);
}

TEST_P(BlockTest, TellsItsSerial) {
  launch_disk(true);
  auto id = guest_->ask(0, {request(8, 0)}, {20, 1});
  ASSERT_TRUE(id);
  EXPECT_EQ(as_text(*id).substr(0, 8), std::string_view("scratch\0", 8));
  EXPECT_EQ(id->back(), kOk);
  EXPECT_EQ(status({request(8, 0)}, {10, 1}), kIoError);  // no room for it
}

TEST_P(BlockTest, RefusesWhatIsNotOnTheDisk) {
  launch_disk(false);
  EXPECT_EQ(status({request(0, 64)}, {512, 1}), kIoError);
  EXPECT_EQ(status({request(0, 63)}, {1024, 1}), kIoError);
  EXPECT_EQ(status({request(0, UINT64_MAX)}, {512, 1}), kIoError);
  EXPECT_EQ(status({request(0, UINT64_MAX / 512 + 1)}, {512, 1}), kIoError);  // times 512 it is 0
  EXPECT_EQ(status({request(1, 64), Bytes(512)}, {1}), kIoError);
  EXPECT_EQ(status({request(0, 0)}, {511, 1}), kIoError);
  EXPECT_EQ(status({request(1, 0), Bytes(13)}, {1}), kIoError);
  EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
  EXPECT_EQ(stored(), content_);
}

TEST_P(BlockTest, RefusesWritesToAReadOnlyDisk) {
  launch_disk(true);
  EXPECT_EQ(status({request(1, 0), Bytes(512)}, {1}), kIoError);
  EXPECT_EQ(stored(), content_);
}

TEST_P(BlockTest, UnknownAndMalformedRequests) {
  launch_disk(false);
  EXPECT_EQ(status({request(99, 0)}, {1}), kUnsupported);
  EXPECT_EQ(status({request(14, 0), Bytes(16)}, {1}), kUnsupported);  // secure erase: not offered
  EXPECT_EQ(status({Bytes(8)}, {1}), kIoError);                       // half a header
  EXPECT_EQ(status({}, {512, 1}), kIoError);
  auto nowhere = guest_->ask(0, {request(0, 0)}, {});  // no status byte at all
  ASSERT_TRUE(nowhere);
  EXPECT_TRUE(nowhere->empty());
  EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
}

// A chain of 2 GiB that bites its own tail: neither its length nor anything else of it stays.
TEST_P(BlockTest, BrokenQueueLeavesNothingBehind) {
  launch_disk(false);
  auto& queue = guest_->queue(0);
  const uint16_t both = fakes::kDescriptorWrite | fakes::kDescriptorNext;
  queue.put_descriptor(0, {queue.buffers(), 0x7fffffff, both, 1});
  queue.put_descriptor(1, {queue.buffers(), 0x7fffffff, both, 1});
  queue.offer(0);
  guest_->notify(0);
  ASSERT_TRUE(guest_->wait_until([&] { return (guest_->read(0x70) & 0x40) != 0; }));
  guest_->reset();
  ASSERT_TRUE(guest_->start());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
}

TEST_P(BlockTest, PrivatePagesFailTheRequestAlone) {
  launch_disk(false);
  auto& queue = guest_->queue(0);
  for (uint32_t type : {0u, 1u}) {
    // Header at the start of the buffers, data in the page after it, status behind that.
    auto& memory = guest_->memory();
    uint64_t header_at = queue.buffers() + 0x40000, data_at = header_at + 0x1000,
             status_at = header_at + 0x2000;
    memory.guest_write(header_at, request(type, 0));
    memory.guest_store<uint8_t>(status_at, 0xee);
    memory.make_private(data_at);
    uint16_t write = fakes::kDescriptorWrite, next = fakes::kDescriptorNext;
    queue.put_descriptor(40, {header_at, 16, next, 41});
    queue.put_descriptor(
        41, {data_at, 512, static_cast<uint16_t>(type == 0 ? next | write : next), 42});
    queue.put_descriptor(42, {status_at, 1, write, 0});
    queue.offer(40);
    guest_->notify(0);
    ASSERT_TRUE(guest_->wait(0));
    EXPECT_EQ(memory.guest_load<uint8_t>(status_at), kIoError);
    memory.make_private(data_at, false);
  }
  EXPECT_EQ(guest_->memory().refused(), 2u);
}

TEST_P(BlockTest, FileShorterThanTheDisk) {
  launch_disk(false);
  ASSERT_EQ(::ftruncate(file_.get(), kOffset + 512), 0);
  EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
  EXPECT_EQ(status({request(0, 0)}, {1024, 1}), kIoError);
}

// Not some time after: whoever waits for the end unmounts, or starts again. A lock is held as long
// as somebody holds the file, the kernel's ring among them.
TEST_P(BlockTest, EndLetsTheFileGo) {
  const std::string again = "/proc/self/fd/" + std::to_string(file_.get());
  UniqueFd locked(::open(again.c_str(), O_RDWR | O_CLOEXEC)), other(::open(again.c_str(), O_RDWR));
  ASSERT_EQ(::flock(locked.get(), LOCK_EX | LOCK_NB), 0);
  ASSERT_NE(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
  launch([&](EventLoop&) {
    return BlockDevice::create({.file = std::move(locked), .size = 512, .engine = engine()})
        .value();
  });
  EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
  guest_.reset();
  EXPECT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
}

TEST(Block, OptionsAreChecked) {
  auto make = [](int fd, uint64_t offset, uint64_t size, std::string serial) {
    return BlockDevice::create(
               {UniqueFd(fd < 0 ? -1 : ::dup(fd)), offset, size, true, std::move(serial)})
        .ok();
  };
  EXPECT_TRUE(make(0, 0, 512, "disk"));
  EXPECT_FALSE(make(-1, 0, 512, "disk"));
  EXPECT_FALSE(make(0, 0, 511, "disk"));
  EXPECT_FALSE(make(0, UINT64_MAX, 512, "disk"));
  EXPECT_FALSE(make(0, 0, 512, "a serial number of more than twenty"));
}

BARTIZAN_DISK_TEST(BlockTest);

}  // namespace
}  // namespace bartizan::vmm::virtio
