#include "vmm/virtio/console/device.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "device_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

class ConsoleTest : public DeviceTest {
 protected:
  void launch_with(UniqueFd input, bool sized = false) {
    launch([&](EventLoop& loop) {
      loop_ = &loop;
      ConsoleOptions options;
      options.output = [this](ByteView bytes) {
        std::lock_guard lock(mutex_);
        output_.append(as_text(bytes));
      };
      options.input = std::move(input);
      options.sized = sized;
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

// §5.3.4 and §2.5.1: le16 columns, le16 rows; each change is another generation and one interrupt
// for a configuration change.
TEST_P(ConsoleTest, SizeAndItsChangesReachTheDriver) {
  constexpr uint64_t kFeatures = 0x10, kSelect = 0x14, kInterruptStatus = 0x60, kAck = 0x64;
  constexpr uint64_t kGeneration = 0xfc, kColumns = 0x100, kRows = 0x102;
  launch_with({}, true);
  guest_->write(kSelect, 0);
  EXPECT_EQ(guest_->read(kFeatures) & 1, 1u) << "VIRTIO_CONSOLE_F_SIZE";
  const std::pair<uint16_t, uint16_t> sizes[] = {{101, 33}, {80, 24}, {80, 24}, {0xffff, 1}};
  for (auto [columns, rows] : sizes) {
    const uint32_t before = guest_->read(kGeneration);
    guest_->on_loop([&, columns = columns, rows = rows] { console_->resize(columns, rows); });
    EXPECT_EQ(guest_->read(kInterruptStatus) & 2, 2u);
    guest_->write(kAck, 2);
    EXPECT_EQ(guest_->transport().read(kColumns, 2), columns);
    EXPECT_EQ(guest_->transport().read(kRows, 2), rows);
    EXPECT_NE(guest_->read(kGeneration), before);
  }
}

TEST_P(ConsoleTest, WithoutATerminalThereIsNoSize) {
  launch_with({});
  guest_->write(0x14, 0);
  EXPECT_EQ(guest_->read(0x10) & 1, 0u);
  guest_->on_loop([&] { console_->resize(80, 24); });
  EXPECT_EQ(guest_->read(0x60) & 2, 0u);
}

BARTIZAN_DEVICE_TEST(ConsoleTest);

}  // namespace
}  // namespace bartizan::vmm::virtio
