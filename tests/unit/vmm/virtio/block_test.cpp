#include "vmm/virtio/block/device.hpp"

#include <fcntl.h>

#include "device_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint64_t kOffset = 1536;  // of the disk in its file
constexpr uint64_t kDiskBytes = 64 * 512;
constexpr uint8_t kOk = 0, kIoError = 1, kUnsupported = 2;

Bytes request(uint32_t type, uint64_t sector) {
  Bytes header(16);
  store_le(&header[0], type);
  store_le(&header[8], sector);
  return header;
}

class BlockTest : public DeviceTest {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bartizan-block-XXXXXX";
    file_ = UniqueFd(::mkostemp(name, O_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    ::unlink(name);
    for (size_t i = 0; i < content_.size(); ++i)
      content_[i] = static_cast<uint8_t>(i * 7 + i / 512);
    ASSERT_EQ(::pwrite(file_.get(), content_.data(), content_.size(), 0),
              static_cast<ssize_t>(content_.size()));
  }
  void launch_disk(bool read_only) {
    launch([&](EventLoop&) {
      BlockOptions options{UniqueFd(::dup(file_.get())), kOffset, kDiskBytes, read_only, "scratch"};
      return BlockDevice::create(std::move(options)).value();
    });
  }
  Bytes disk(uint64_t at, uint64_t size) const {
    auto from = content_.begin() + static_cast<ptrdiff_t>(kOffset + at);
    return Bytes(from, from + static_cast<ptrdiff_t>(size));
  }
  // The status byte, which is the last of the writable part wherever that is.
  uint8_t status(const std::vector<Bytes>& readable, std::vector<uint32_t> writable) {
    auto sent = guest_->send(0, readable, writable);
    if (!guest_->wait(0)) return 0xff;
    auto [at, length] = sent.writable.back();
    return guest_->memory().guest_read(at + length - 1, 1)[0];
  }
  void TearDown() override { guest_.reset(); }

  UniqueFd file_;
  Bytes content_ = Bytes(kOffset + kDiskBytes + 512);
};

TEST_P(BlockTest, ConfigurationAndFeatures) {
  launch_disk(true);
  EXPECT_EQ(guest_->transport().read(0x100, 8), kDiskBytes / 512);
  EXPECT_EQ(guest_->transport().read(0x10c, 4), 126u);
  EXPECT_EQ(guest_->transport().read(0x114, 4), 512u);
  guest_->write(0x14, 0);
  EXPECT_EQ(guest_->read(0x10) & 0xfffffff, (1u << 2) | (1u << 5) | (1u << 6) | (1u << 9));
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
  Bytes now(content_.size());
  ASSERT_EQ(::pread(file_.get(), now.data(), now.size(), 0), static_cast<ssize_t>(now.size()));
  EXPECT_EQ(now, content_);
}

TEST_P(BlockTest, RefusesWritesToAReadOnlyDisk) {
  launch_disk(true);
  EXPECT_EQ(status({request(1, 0), Bytes(512)}, {1}), kIoError);
  Bytes now(content_.size());
  ASSERT_EQ(::pread(file_.get(), now.data(), now.size(), 0), static_cast<ssize_t>(now.size()));
  EXPECT_EQ(now, content_);
}

TEST_P(BlockTest, UnknownAndMalformedRequests) {
  launch_disk(false);
  EXPECT_EQ(status({request(99, 0)}, {1}), kUnsupported);
  EXPECT_EQ(status({request(11, 0), Bytes(16)}, {1}), kUnsupported);  // discard was not offered
  EXPECT_EQ(status({Bytes(8)}, {1}), kIoError);                       // half a header
  EXPECT_EQ(status({}, {512, 1}), kIoError);
  auto nowhere = guest_->ask(0, {request(0, 0)}, {});  // no status byte at all
  ASSERT_TRUE(nowhere);
  EXPECT_TRUE(nowhere->empty());
  EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
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

BARTIZAN_DEVICE_TEST(BlockTest);

}  // namespace
}  // namespace bartizan::vmm::virtio
