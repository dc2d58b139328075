#include "vmm/virtio/console/device.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "device_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

class ConsoleTest : public DeviceTest {
 protected:
  void launch_with(UniqueFd input) {
    launch([&](EventLoop& loop) {
      loop_ = &loop;
      ConsoleOptions options;
      options.output = [this](ByteView bytes) {
        std::lock_guard lock(mutex_);
        output_.append(as_text(bytes));
      };
      options.input = std::move(input);
      return console_ = ConsoleDevice::create(loop, std::move(options));
    });
  }
  std::string output() {
    std::lock_guard lock(mutex_);
    return output_;
  }
  // Takes input from the guest's side until it is `expected`.
  void expect_input(std::string_view expected) {
    std::string got;
    while (got.size() < expected.size()) {
      auto part = guest_->ask(0, {}, {5, 6}, modern());
      ASSERT_TRUE(part) << got;
      got.append(as_text(*part));
    }
    EXPECT_EQ(got, expected);
  }
  void TearDown() override {
    console_
        .reset();  // the guest holds it too, and must be the last: devices die before their loop
    guest_.reset();
  }

  EventLoop* loop_ = nullptr;
  std::shared_ptr<ConsoleDevice> console_;
  std::mutex mutex_;
  std::string output_;
};

TEST_P(ConsoleTest, OutputArrivesInOrder) {
  launch_with({});
  std::string all;
  for (int i = 0; i < 20; ++i) {
    std::string line = "line " + std::to_string(i) + "\n";
    all += line + line;
    ASSERT_TRUE(guest_->ask(1, {bytes_of(line), bytes_of(line)}, {}, modern()));
  }
  EXPECT_EQ(output(), all);
}

TEST_P(ConsoleTest, LongOutputIsCutIntoPieces) {
  launch_with({});
  Bytes big(200'000, 'x');
  ASSERT_TRUE(guest_->ask(1, {big}, {}));
  EXPECT_EQ(output().size(), big.size());
}

TEST_P(ConsoleTest, OneChainCannotHoldTheLoop) {
  launch_with({});
  ASSERT_TRUE(guest_->ask(1, {Bytes(500'000, 'x')}, {}));
  EXPECT_EQ(output().size(), 256u * 1024);
}

TEST_P(ConsoleTest, OutputFromPrivatePagesIsRefused) {
  launch_with({});
  guest_->memory().make_private(guest_->queue(1).buffers());
  ASSERT_TRUE(guest_->ask(1, {bytes_of("secret")}, {}));
  EXPECT_EQ(output(), "");
  EXPECT_EQ(guest_->memory().refused(), 1u);
}

TEST_P(ConsoleTest, InputFromAPipeUntilItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd writer(ends[1]);
  launch_with(UniqueFd(ends[0]));
  ASSERT_EQ(::write(writer.get(), "hello, guest", 12), 12);
  expect_input("hello, guest");
  ASSERT_EQ(::write(writer.get(), "again", 5), 5);
  expect_input("again");
  writer.reset();
  guest_->send(0, {}, {16});
  EXPECT_FALSE(guest_->wait(0, std::chrono::milliseconds(50)));
}

// Linux throws away what arrives before its hvc device is up: the machine attaches the input late.
TEST_P(ConsoleTest, InputAttachedWhenTheGuestIsReady) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  ASSERT_EQ(::write(writer.get(), "early", 5), 5);
  launch_with({});
  guest_->send(0, {}, {16});
  EXPECT_FALSE(guest_->wait(0, std::chrono::milliseconds(50)));
  loop_->post([&] { console_->attach_input(std::move(reader)); });
  auto part = guest_->wait(0, std::chrono::seconds(10));
  ASSERT_TRUE(part);
}

TEST_P(ConsoleTest, PushedInputWaitsForTheGuest) {
  launch_with({});
  guest_->on_loop([&] { EXPECT_TRUE(console_->push_input(as_bytes("pushed")).ok()); });
  expect_input("pushed");
  guest_->on_loop([&] {
    EXPECT_EQ(console_->push_input(Bytes(2 << 20)).error().code, ErrorCode::resource_exhausted);
  });
}

BARTIZAN_DEVICE_TEST(ConsoleTest);

}  // namespace
}  // namespace bartizan::vmm::virtio
