// Disks whose threads are confined, by threads and by io_uring: everything that a driver may ask.
#include <sys/syscall.h>

#include <thread>

#include "unit/vmm/harden/forbid.hpp"
#include "unit/vmm/virtio/disk_test.hpp"
#include "vmm/harden/confinement.hpp"
#include "vmm/harden/file_access.hpp"

namespace bartizan::vmm::virtio {
namespace {

class ConfinedDisk : public DiskTest {
 protected:
  void SetUp() override {
    if (!harden::make_file_access({}).ok())
      GTEST_SKIP() << "no Landlock in this kernel, or not in this container";
    DiskTest::SetUp();
    if (IsSkipped()) return;
    std::vector<std::string> missing;
    const auto setups = harden::confine(Hardening::required, {}, &missing).value();
    launch([&](EventLoop&) {
      return BlockDevice::create({.file = UniqueFd(::dup(file_.get())),
                                  .offset = kOffset,
                                  .size = kDiskBytes,
                                  .read_only = false,
                                  .serial = "scratch",
                                  .thread_setup = setups.devices,
                                  .engine = engine()})
          .value();
    });
  }
};

TEST_P(ConfinedDisk, ServesEverything) {
  Bytes range(16);
  range[8] = 8;                              // sectors
  for (int round = 0; round < 8; ++round) {  // by threads that are started later, too
    EXPECT_EQ(status({request(0, 0)}, {512, 1}), kOk);
    EXPECT_EQ(status({request(1, 0), Bytes(512, 7)}, {1}), kOk);
    EXPECT_EQ(status({request(4, 0)}, {1}), kOk);
    EXPECT_EQ(status({request(8, 0)}, {20, 1}), kOk);
    EXPECT_EQ(status({request(11, 0), range}, {1}), kOk);
    EXPECT_EQ(status({request(13, 0), range}, {1}), kOk);
  }
  EXPECT_EQ(*guest_->ask(0, {request(0, 0)}, {513}), Bytes(513));
}

BARTIZAN_DISK_TEST(ConfinedDisk);

// As under a container's filter, or a sysctl: threads serve, and nobody hears of it.
class WithoutRings : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Filters, WithoutRings,
                         ::testing::Values(SYS_io_uring_setup, SYS_io_uring_register,
                                           SYS_io_uring_enter));

TEST_P(WithoutRings, ThreadsServe) {
  std::thread([] {
    harden::forbid(GetParam());
    auto make = [](BlockEngine engine) {
      UniqueFd file(::memfd_create("disk", MFD_CLOEXEC));
      EXPECT_EQ(::ftruncate(file.get(), 4096), 0);
      return BlockDevice::create({.file = std::move(file), .size = 4096, .engine = engine});
    };
    const auto ring = make(BlockEngine::ring);
    ASSERT_FALSE(ring.ok());
    EXPECT_EQ(ring.error().code, ErrorCode::unsupported);
    fakes::GuestDriver guest({}, [&](EventLoop&) { return make(BlockEngine::any).value(); });
    ASSERT_TRUE(guest.start());
    EXPECT_EQ(*guest.ask(0, {request(0, 0)}, {513}), Bytes(513));
  }).join();
}

}  // namespace
}  // namespace bartizan::vmm::virtio
