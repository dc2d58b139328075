// The transport's registers, as virtio 1.2 §4.2 and Linux's virtio_mmio use them.
#include "vmm/virtio/mmio.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "fakes/guest_driver.hpp"
#include "vmm/virtio/console/device.hpp"
#include "vmm/virtio/rng/device.hpp"

namespace bartizan::vmm::virtio {
namespace {

using fakes::GuestDriver;

std::shared_ptr<Device> make_rng(EventLoop&) {
  return RngDevice::create();
}

TEST(Mmio, IdentifiesItself) {
  GuestDriver guest({}, make_rng);
  EXPECT_EQ(guest.read(0x0), 0x74726976u);
  EXPECT_EQ(guest.read(0x4), 2u);
  EXPECT_EQ(guest.read(0x8), 4u);
  EXPECT_EQ(guest.read(0x34), 64u);
  guest.write(0x30, 1);
  EXPECT_EQ(guest.read(0x34), 0u);  // there is no queue 1
  EXPECT_EQ(guest.read(0xb0), UINT32_MAX);
  EXPECT_EQ(guest.transport().read(0x1, 4), 0u);
  EXPECT_EQ(guest.transport().read(0x0, 1), 0u);
  EXPECT_EQ(guest.transport().read(0xff8, 8), 0u);
}

TEST(Mmio, EmptySlotHasDeviceIdZero) {
  GuestDriver guest({}, [](EventLoop&) { return nullptr; });
  EXPECT_EQ(guest.read(0x0), 0x74726976u);
  EXPECT_EQ(guest.read(0x4), 2u);
  EXPECT_EQ(guest.read(0x8), 0u);
  guest.write(0x70, 0xff);
  guest.write(0x50, 0);
  guest.write(0x44, 1);
  EXPECT_EQ(guest.read(0x70), 0u);
}

TEST(Mmio, FeaturesThatADriverMustAccept) {
  for (uint64_t dropped : {kFeatureVersion1, kFeatureAccessPlatform}) {
    GuestDriver guest({}, make_rng);
    EXPECT_FALSE(guest.start(dropped));
    guest.write(0x70, 15);
    EXPECT_EQ(guest.read(0x70) & 12, 0u);  // nor is DRIVER_OK taken
  }
  GuestDriver guest({}, make_rng);
  guest.write(0x24, 1);
  guest.write(0x20, UINT32_MAX);  // more than was offered
  guest.write(0x70, 11);
  EXPECT_EQ(guest.read(0x70), 3u);
}

TEST(Mmio, QueueRegistersAreFrozenWhileReady) {
  GuestDriver guest({}, make_rng);
  ASSERT_TRUE(guest.start());
  guest.write(0x30, 0);
  EXPECT_EQ(guest.read(0x44), 1u);
  guest.write(0x80, 0x12345678);
  ASSERT_TRUE(guest.ask(0, {}, {8}));
  guest.write(0x44, 0);
  EXPECT_EQ(guest.read(0x44), 0u);
  guest.send(0, {}, {8});
  EXPECT_FALSE(guest.wait(0, std::chrono::milliseconds(50)));  // not ours any more
}

TEST(Mmio, ResetStopsTheDeviceAndAllowsAnotherStart) {
  GuestDriver guest({}, make_rng);
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(guest.start());
    ASSERT_TRUE(guest.ask(0, {}, {16})) << round;
    guest.send(0, {}, {16});  // in flight
    guest.reset();
    EXPECT_EQ(guest.read(0x70), 0u);
    EXPECT_EQ(guest.read(0x60), 0u);
    // From here the memory is the guest's own: nothing may write it.
    guest.memory().guest_write(0x100000, Bytes(0x20000, 0x5a));
    guest.settle();
    EXPECT_EQ(guest.memory().guest_read(0x100000, 0x20000), Bytes(0x20000, 0x5a));
    guest.reset();
  }
}

TEST(Mmio, ManyResetsPostLittle) {
  GuestDriver guest({}, make_rng);
  for (int i = 0; i < 10'000; ++i) guest.write(0x70, 0);
  EXPECT_TRUE(guest.start());
  EXPECT_TRUE(guest.ask(0, {}, {4}));
}

TEST(Mmio, InterruptStatusIsAcknowledged) {
  GuestDriver guest({}, make_rng);
  ASSERT_TRUE(guest.start());
  guest.send(0, {}, {4});
  ASSERT_TRUE(guest.wait_until([&] { return guest.interrupt().count() == 1; }));
  EXPECT_EQ(guest.read(0x60), 1u);
  guest.write(0x64, 1);
  EXPECT_EQ(guest.read(0x60), 0u);
}

TEST(Mmio, NotificationByEventfd) {
  GuestDriver guest({}, make_rng);
  ASSERT_TRUE(guest.start());
  auto sent = guest.queue(0).make_available({}, {4});
  ASSERT_EQ(::eventfd_write(guest.transport().notify_fd(0), 1), 0);  // as KVM does
  auto used = guest.wait(0);
  ASSERT_TRUE(used);
  EXPECT_EQ(used->head, sent.head);
  EXPECT_EQ(used->written, 4u);
}

// A notification that comes before the loop has taken the driver's DRIVER_OK in is not lost.
TEST(Mmio, EarlyNotification) {
  GuestDriver guest({}, make_rng);
  guest.queue(0).make_available({}, {4});
  guest.notify(0);
  guest.settle();
  ASSERT_TRUE(guest.start());
  EXPECT_TRUE(guest.wait(0));
}

TEST(Mmio, BrokenQueueNeedsReset) {
  GuestDriver guest({}, make_rng);
  ASSERT_TRUE(guest.start());
  guest.queue(0).offer(60'000);
  guest.notify(0);
  ASSERT_TRUE(guest.wait_until([&] { return guest.read(0x70) & 64; }));
  EXPECT_EQ(guest.read(0x60), 2u);  // §2.1.2: with a configuration change
  guest.reset();
  ASSERT_TRUE(guest.start());
  EXPECT_FALSE(guest.read(0x70) & 64);
  EXPECT_TRUE(guest.ask(0, {}, {4}));
}

TEST(Mmio, ImpossibleQueueNeedsReset) {
  for (uint32_t size : {0u, 3u, 65'536u + 64u, 128u}) {
    GuestDriver guest({}, make_rng);
    for (uint32_t half = 0; half < 2; ++half) {
      guest.write(0x24, half);
      guest.write(0x20, half == 1 ? 3 : 0);
    }
    guest.write(0x70, 11);
    guest.write(0x38, size);
    guest.write(0x44, 1);
    guest.write(0x70, 15);
    EXPECT_TRUE(guest.wait_until([&] { return guest.read(0x70) & 64; })) << size;
  }
}

TEST(Mmio, TheLogIsNotTheGuestsToFill) {
  std::atomic<int> lines = 0;
  fakes::PlainMemory memory(0x800000);
  fakes::CountingInterrupt interrupt;
  auto loop = EventLoop::create().value();
  auto transport = MmioTransport::create(memory, *loop, interrupt, RngDevice::create(),
                                         {"rng",
                                          [&](LogLevel, std::string_view line) {
                                            EXPECT_TRUE(line.starts_with("virtio rng: ")) << line;
                                            ++lines;
                                          }})
                       .value();
  std::thread thread([&] { loop->run(); });
  for (int i = 0; i < 100; ++i) {
    uint64_t seen = interrupt.count();
    transport->write(0x70, 4, 0);
    transport->write(0x24, 4, 1);
    transport->write(0x20, 4, 3);
    transport->write(0x70, 4, 11);
    transport->write(0x44, 4, 1);  // size 0
    transport->write(0x70, 4, 15);
    interrupt.wait(seen, std::chrono::seconds(10));
    EXPECT_TRUE(transport->read(0x70, 4) & 64);
  }
  loop->stop();
  thread.join();
  EXPECT_GT(lines, 0);
  EXPECT_LE(lines, 8);
}

}  // namespace
}  // namespace bartizan::vmm::virtio
