// A disk in the middle of a file, for tests of both engines.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device_test.hpp"
#include "vmm/virtio/block/device.hpp"

namespace bartizan::vmm::virtio {

constexpr uint64_t kOffset = 1536;  // of the disk in its file
constexpr uint64_t kDiskBytes = 64 * 512;
constexpr uint8_t kOk = 0, kIoError = 1, kUnsupported = 2;

inline Bytes request(uint32_t type, uint64_t sector) {
  Bytes header(16);
  store_le(&header[0], type);
  store_le(&header[8], sector);
  return header;
}

inline bool ring_is_possible() {
  UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
  return BlockDevice::create({.file = std::move(file), .size = 512, .engine = BlockEngine::ring})
      .ok();
}

class DiskTest : public DeviceTest {
 protected:
  void SetUp() override {
    if (GetParam().ring && !ring_is_possible()) GTEST_SKIP() << "io_uring is refused here";
    char name[] = "/tmp/bartizan-block-XXXXXX";
    file_ = UniqueFd(::mkostemp(name, O_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    ::unlink(name);
    fill();
  }
  void TearDown() override { guest_.reset(); }
  void fill() {
    for (size_t i = 0; i < content_.size(); ++i)
      content_[i] = static_cast<uint8_t>(i * 7 + i / 512 + 1);
    ASSERT_EQ(::pwrite(file_.get(), content_.data(), content_.size(), 0),
              static_cast<ssize_t>(content_.size()));
  }
  BlockEngine engine() const { return GetParam().ring ? BlockEngine::ring : BlockEngine::threads; }
  void launch_disk(bool read_only) {
    launch([&](EventLoop&) {
      BlockOptions options{UniqueFd(::dup(file_.get())), kOffset, kDiskBytes, read_only, "scratch"};
      options.engine = engine();
      return BlockDevice::create(std::move(options)).value();
    });
  }
  Bytes disk(uint64_t at, uint64_t size) const {
    auto from = content_.begin() + static_cast<ptrdiff_t>(kOffset + at);
    return Bytes(from, from + static_cast<ptrdiff_t>(size));
  }
  Bytes stored() const {
    Bytes now(content_.size() + 1);
    const ssize_t got = ::pread(file_.get(), now.data(), now.size(), 0);
    now.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return now;
  }
  // The status byte, which is the last of the writable part wherever that is.
  uint8_t status(const std::vector<Bytes>& readable, std::vector<uint32_t> writable) {
    auto sent = guest_->send(0, readable, writable);
    if (!guest_->wait(0)) return 0xff;
    auto [at, length] = sent.writable.back();
    return guest_->memory().guest_read(at + length - 1, 1)[0];
  }

  UniqueFd file_;
  Bytes content_ = Bytes(kOffset + kDiskBytes + 512);
};

}  // namespace bartizan::vmm::virtio
