#include "vmm/virtio/rng/device.hpp"

#include "device_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

class RngTest : public DeviceTest {
 protected:
  void SetUp() override {
    launch([](EventLoop&) { return RngDevice::create(); });
  }
};

TEST_P(RngTest, FillsWithDifferentBytes) {
  auto first = guest_->ask(0, {}, {32, 32}, modern());
  auto second = guest_->ask(0, {}, {64});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->size(), 64u);
  EXPECT_NE(*first, *second);
  EXPECT_NE(*first, Bytes(64, 0xee));
}

TEST_P(RngTest, GivesLessThanAskedAboveItsLimit) {
  auto random = guest_->ask(0, {}, {100'000});
  ASSERT_TRUE(random);
  EXPECT_EQ(random->size(), 1024u);
}

TEST_P(RngTest, ChainWithoutRoom) {
  auto nothing = guest_->ask(0, {Bytes(16)}, {});
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->empty());
}

TEST_P(RngTest, PrivateBufferIsRefusedAndTheNextServed) {
  auto& queue = guest_->queue(0);
  guest_->memory().make_private(queue.buffers());
  auto refused = guest_->ask(0, {}, {64});
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->empty());
  EXPECT_GE(guest_->memory().refused(), 1u);
  guest_->memory().make_private(queue.buffers(), false);
  EXPECT_EQ(guest_->ask(0, {}, {64})->size(), 64u);
}

TEST_P(RngTest, ManyRequestsInOneTurn) {
  for (int i = 0; i < 60; ++i) guest_->queue(0).make_available({}, {8});
  guest_->notify(0);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(guest_->wait(0)->written, 8u) << i;
}

BARTIZAN_DEVICE_TEST(RngTest);

}  // namespace
}  // namespace bartizan::vmm::virtio
