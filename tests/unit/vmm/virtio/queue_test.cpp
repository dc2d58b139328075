// The ring against drivers that are right, and against drivers that attack.
#include "vmm/virtio/queue.hpp"

#include <gtest/gtest.h>

#include "fakes/guest_driver.hpp"

namespace bartizan::vmm::virtio {
namespace {

using fakes::DriverQueue;
using fakes::kDescriptorIndirect;
using fakes::kDescriptorNext;
using fakes::kDescriptorWrite;
using fakes::RawDescriptor;

constexpr uint16_t kSize = 8;

class QueueTest : public ::testing::Test {
 protected:
  void open(bool event_index = true, bool indirect = true) {
    driver_ = std::make_unique<DriverQueue>(memory_, 0, kSize, event_index);
    queue_ = Queue::create(memory_, config(event_index, indirect), 256).value();
  }
  QueueConfig config(bool event_index = true, bool indirect = true) const {
    return {
        kSize,      {driver_->descriptors()}, {driver_->available()}, {driver_->used()}, indirect,
        event_index};
  }
  void expect_broken(std::string_view why) {
    EXPECT_FALSE(queue_->pop(&chain_));
    ASSERT_TRUE(queue_->broken());
    EXPECT_NE(queue_->what_broke().find(why), std::string::npos) << queue_->what_broke();
    EXPECT_FALSE(queue_->pop(&chain_));
    EXPECT_FALSE(queue_->take_interrupt());
  }
  void expect_indirect_broken(std::vector<RawDescriptor> table, std::string_view why) {
    open();
    for (size_t i = 0; i < table.size(); ++i)
      memory_.guest_store(driver_->indirect_table() + 16 * i, table[i]);
    driver_->put_descriptor(
        0, {driver_->indirect_table(), 16u * static_cast<uint32_t>(table.size()), 4, 0});
    driver_->offer(0);
    expect_broken(why);
  }

  fakes::PlainMemory memory_{0x200000};
  std::unique_ptr<DriverQueue> driver_;
  std::optional<Queue> queue_;
  Chain chain_;
};

TEST_F(QueueTest, GivesChainsInOrderWithBothParts) {
  open();
  driver_->make_available({Bytes(3), Bytes(5)}, {7, 11});
  driver_->make_available({}, {1});
  ASSERT_TRUE(queue_->pop(&chain_));
  EXPECT_EQ(chain_.readable.size(), 2u);
  EXPECT_EQ(chain_.readable_bytes, 8u);
  EXPECT_EQ(chain_.writable.size(), 2u);
  EXPECT_EQ(chain_.writable_bytes, 18u);
  queue_->push(chain_, 18);
  ASSERT_TRUE(queue_->pop(&chain_));
  EXPECT_EQ(chain_.readable_bytes, 0u);
  queue_->push(chain_, 1);
  EXPECT_FALSE(queue_->pop(&chain_));
  EXPECT_FALSE(queue_->broken());
  EXPECT_EQ(driver_->take_used()->written, 18u);
  EXPECT_EQ(driver_->take_used()->written, 1u);
  EXPECT_FALSE(driver_->take_used());
}

TEST_F(QueueTest, IndirectTableMayFollowDirectDescriptors) {
  open();
  memory_.guest_store(driver_->indirect_table(),
                      RawDescriptor{0x10000, 16, fakes::kDescriptorWrite, 0});
  driver_->put_descriptor(0, {0x11000, 4, fakes::kDescriptorNext, 1});
  driver_->put_descriptor(1, {driver_->indirect_table(), 16, fakes::kDescriptorIndirect, 0});
  driver_->offer(0);
  ASSERT_TRUE(queue_->pop(&chain_));
  EXPECT_EQ(chain_.readable_bytes, 4u);
  EXPECT_EQ(chain_.writable_bytes, 16u);
}

TEST_F(QueueTest, IndicesWrapAfter65536) {
  open();
  for (uint32_t i = 0; i < 70'000; ++i) {
    auto sent = driver_->make_available({}, {1});
    ASSERT_TRUE(queue_->pop(&chain_)) << i;
    queue_->push(chain_, 1);
    ASSERT_TRUE(queue_->take_interrupt()) << i;
    ASSERT_EQ(driver_->take_used()->head, sent.head);
  }
}

// §2.7.10: with the event index a batch costs one notification and one interrupt.
TEST_F(QueueTest, EventIndexMakesOneNotificationAndOneInterruptOfABatch) {
  open();
  EXPECT_FALSE(queue_->pop(&chain_));
  driver_->make_available({}, {1});
  EXPECT_TRUE(driver_->must_notify());
  for (int i = 0; i < 4; ++i) driver_->make_available({}, {1});
  EXPECT_FALSE(driver_->must_notify());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(queue_->pop(&chain_));
    queue_->push(chain_, 1);
  }
  EXPECT_FALSE(queue_->pop(&chain_));
  EXPECT_TRUE(queue_->take_interrupt());
  EXPECT_FALSE(queue_->take_interrupt());
  driver_->make_available(
      {}, {1});  // the driver has not looked at the used ring: it needs no second interrupt
  EXPECT_TRUE(driver_->must_notify());
  ASSERT_TRUE(queue_->pop(&chain_));
  queue_->push(chain_, 1);
  EXPECT_FALSE(queue_->take_interrupt());
}

TEST_F(QueueTest, WithoutEventIndexFlagsSuppress) {
  open(false);
  driver_->make_available({}, {1});
  ASSERT_TRUE(queue_->pop(&chain_));
  EXPECT_FALSE(driver_->must_notify());  // VIRTQ_USED_F_NO_NOTIFY while we work
  queue_->push(chain_, 1);
  EXPECT_FALSE(queue_->pop(&chain_));
  EXPECT_TRUE(driver_->must_notify());
  memory_.guest_store<uint16_t>(driver_->available(), 1);  // VIRTQ_AVAIL_F_NO_INTERRUPT
  EXPECT_FALSE(queue_->take_interrupt());
}

TEST_F(QueueTest, PutBackGivesTheSameChainAgain) {
  open();
  auto sent = driver_->make_available({}, {9});
  ASSERT_TRUE(queue_->pop(&chain_));
  queue_->put_back(chain_);
  Chain again;
  ASSERT_TRUE(queue_->pop(&again));
  EXPECT_EQ(again.head, sent.head);
  EXPECT_EQ(again.writable_bytes, 9u);
  EXPECT_FALSE(queue_->pop(&again));
}

TEST_F(QueueTest, ConfigurationIsChecked) {
  open();
  QueueConfig good = config();
  auto refused = [&](auto change) {
    QueueConfig bad = good;
    change(bad);
    return !Queue::create(memory_, bad, 256).ok();
  };
  EXPECT_FALSE(refused([](QueueConfig&) {}));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.size = 0; }));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.size = 3; }));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.size = 512; }));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.descriptors.value += 8; }));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.driver.value += 1; }));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.device.value += 2; }));
  EXPECT_TRUE(refused([](QueueConfig& c) { c.device.value = UINT64_MAX - 3; }));
}

TEST_F(QueueTest, LoopOfDescriptors) {
  open();
  driver_->put_descriptor(0, {0x10000, 4, fakes::kDescriptorNext, 1});
  driver_->put_descriptor(1, {0x10000, 4, fakes::kDescriptorNext, 0});
  driver_->offer(0);
  expect_broken("does not end");
}

TEST_F(QueueTest, HeadOutOfRange) {
  open();
  driver_->offer(kSize);
  expect_broken("descriptor 8 of 8");
}

TEST_F(QueueTest, NextOutOfRange) {
  open();
  driver_->put_descriptor(0, {0x10000, 4, fakes::kDescriptorNext, 60'000});
  driver_->offer(0);
  expect_broken("next is 60000");
}

TEST_F(QueueTest, IndexTooFarAhead) {
  open();
  driver_->set_available_index(kSize + 1);
  expect_broken("9 ahead");
}

TEST_F(QueueTest, IndexGoesBack) {
  open();
  driver_->make_available({}, {1});
  ASSERT_TRUE(queue_->pop(&chain_));
  driver_->set_available_index(0);
  expect_broken("ahead");
}

TEST_F(QueueTest, ReadableAfterWritable) {
  open();
  driver_->put_descriptor(0, {0x10000, 4, fakes::kDescriptorNext | fakes::kDescriptorWrite, 1});
  driver_->put_descriptor(1, {0x10000, 4, 0, 0});
  driver_->offer(0);
  expect_broken("readable descriptor after");
}

TEST_F(QueueTest, BufferWraps) {
  open();
  driver_->put_descriptor(0, {UINT64_MAX - 3, 16, 0, 0});
  driver_->offer(0);
  expect_broken("wraps");
}

TEST_F(QueueTest, FourGigabyteChain) {
  open();
  driver_->put_descriptor(0, {0, UINT32_MAX, fakes::kDescriptorNext, 1});
  driver_->put_descriptor(1, {0, UINT32_MAX, 0, 0});
  driver_->offer(0);
  expect_broken("2^32");
}

TEST_F(QueueTest, ZeroLengthBuffersCarryNothing) {
  open();
  driver_->make_available({Bytes(), Bytes(2)}, {0});
  ASSERT_TRUE(queue_->pop(&chain_));
  EXPECT_EQ(chain_.readable_bytes, 2u);
  EXPECT_EQ(chain_.writable_bytes, 0u);
}

TEST_F(QueueTest, IndirectWithoutTheFeature) {
  open(true, false);
  driver_->make_available({Bytes(1)}, {}, true);
  expect_broken("without VIRTIO_F_INDIRECT_DESC");
}

TEST_F(QueueTest, IndirectWithNext) {
  open();
  driver_->put_descriptor(
      0, {driver_->indirect_table(), 16, fakes::kDescriptorIndirect | fakes::kDescriptorNext, 1});
  driver_->offer(0);
  expect_broken("with a next one");
}

TEST_F(QueueTest, IndirectTableSizes) {
  for (uint32_t bytes : {0u, 8u, 17u, 16u * (kSize + 1), UINT32_MAX, 0xfffffff0u}) {
    open();
    driver_->put_descriptor(0, {driver_->indirect_table(), bytes, fakes::kDescriptorIndirect, 0});
    driver_->offer(0);
    expect_broken("indirect table of");
  }
}

TEST_F(QueueTest, IndirectAttacks) {
  expect_indirect_broken({{0x10000, 16, fakes::kDescriptorIndirect, 0}}, "in an indirect table");
  expect_indirect_broken({{0x10000, 4, fakes::kDescriptorNext, 0}}, "does not end");
  expect_indirect_broken({{0x10000, 4, fakes::kDescriptorNext, 1}}, "next is 1 of 1");
}

// §2.7.4.2: direct ones and those of the table count together.
TEST_F(QueueTest, ChainLongerThanTheQueue) {
  open();
  for (uint16_t i = 0; i < kSize; ++i) {
    uint16_t next = static_cast<uint16_t>(i + 1);
    uint16_t flags = next < kSize ? fakes::kDescriptorNext : 0;
    memory_.guest_store(driver_->indirect_table() + 16ull * i,
                        RawDescriptor{0x10000, 1, flags, next});
  }
  driver_->put_descriptor(0, {0x10000, 1, fakes::kDescriptorNext, 1});
  driver_->put_descriptor(1,
                          {driver_->indirect_table(), 16u * kSize, fakes::kDescriptorIndirect, 0});
  driver_->offer(0);
  expect_broken("longer than the queue");
}

TEST_F(QueueTest, RingsInPrivateOrMissingMemory) {
  open();
  driver_->make_available({}, {1});
  memory_.make_private(driver_->descriptors());
  expect_broken("private");
  memory_.make_private(driver_->descriptors(), false);

  open();
  driver_->make_available({}, {1});
  ASSERT_TRUE(queue_->pop(&chain_));
  memory_.make_private(driver_->used());
  queue_->push(chain_, 1);
  expect_broken("used ring");

  open();
  QueueConfig nowhere = config();
  nowhere.driver.value = 1ull << 40;
  queue_ = Queue::create(memory_, nowhere, 256).value();
  expect_broken("no RAM");
}

// What the device tests lean on: a double fetch does not see the same bytes.
TEST(RacingMemory, ChangesOnSecondRead) {
  fakes::RacingMemory memory(4096);
  memory.guest_store<uint32_t>(16, 7);
  memory.exempt(32, 4);
  EXPECT_EQ(*memory.read_object<uint32_t>({16}), 7u);
  EXPECT_NE(*memory.read_object<uint32_t>({16}), 7u);
  EXPECT_EQ(memory.guest_load<uint32_t>(16), 7u);
  memory.guest_store<uint32_t>(16, 7);
  EXPECT_EQ(*memory.read_object<uint32_t>({16}), 7u);
  EXPECT_EQ(*memory.read_object<uint32_t>({32}), *memory.read_object<uint32_t>({32}));
}

}  // namespace
}  // namespace bartizan::vmm::virtio
