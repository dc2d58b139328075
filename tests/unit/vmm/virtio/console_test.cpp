#include "vmm/virtio/console/device.hpp"

#include "device_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

class ConsoleTest : public DeviceTest {
 protected:
  void launch_it() {
    launch([&](EventLoop&) {
      return console_ = ConsoleDevice::create([this](ByteView bytes) {
               std::lock_guard lock(mutex_);
               output_.append(as_text(bytes));
             });
    });
  }
  std::string output() {
    std::lock_guard lock(mutex_);
    return output_;
  }
  void TearDown() override {
    console_
        .reset();  // the guest holds it too, and must be the last: devices die before their loop
    guest_.reset();
  }

  std::shared_ptr<ConsoleDevice> console_;
  std::mutex mutex_;
  std::string output_;
};

TEST_P(ConsoleTest, OutputArrivesInOrder) {
  launch_it();
  std::string all;
  for (int i = 0; i < 20; ++i) {
    std::string line = "line " + std::to_string(i) + "\n";
    all += line + line;
    ASSERT_TRUE(guest_->ask(1, {bytes_of(line), bytes_of(line)}, {}, modern()));
  }
  EXPECT_EQ(output(), all);
}

TEST_P(ConsoleTest, LongOutputIsCutIntoPieces) {
  launch_it();
  Bytes big(200'000, 'x');
  ASSERT_TRUE(guest_->ask(1, {big}, {}));
  EXPECT_EQ(output().size(), big.size());
}

TEST_P(ConsoleTest, OneChainCannotHoldTheLoop) {
  launch_it();
  ASSERT_TRUE(guest_->ask(1, {Bytes(500'000, 'x')}, {}));
  EXPECT_EQ(output().size(), 256u * 1024);
}

TEST_P(ConsoleTest, OutputFromPrivatePagesIsRefused) {
  launch_it();
  guest_->memory().make_private(guest_->queue(1).buffers());
  ASSERT_TRUE(guest_->ask(1, {bytes_of("secret")}, {}));
  EXPECT_EQ(output(), "");
  EXPECT_EQ(guest_->memory().refused(), 1u);
}

// The driver fills the receive queue and expects no answer.
TEST_P(ConsoleTest, ReceiveBuffersStayWithTheDevice) {
  launch_it();
  guest_->send(0, {}, {16});
  EXPECT_FALSE(guest_->wait(0, std::chrono::milliseconds(50)));
}

BARTIZAN_DEVICE_TEST(ConsoleTest);

}  // namespace
}  // namespace bartizan::vmm::virtio
