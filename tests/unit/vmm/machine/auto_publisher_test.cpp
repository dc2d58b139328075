#include "vmm/machine/auto_publisher.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <string>

#include "base/bytes.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::vmm::machine {
namespace {

bool has_ipv6() {
  const UniqueFd socket(::socket(AF_INET6, SOCK_STREAM, 0));
  return socket.valid();
}

// Ports above those that the system chooses by itself.
constexpr uint16_t kFirst = 61'000;

class AutoPublisherTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = EventLoop::create().value();
    net_ = virtio::NetDevice::create(*loop_, {}).value();
    publisher_ = std::make_unique<AutoPublisher>(
        *loop_, net_,
        AutoPublisherOptions{"127.0.0.1",
                             {kFirst + 1},
                             [this](LogLevel, std::string_view line) { lines_.emplace_back(line); },
                             [this] { ++changes_; }});
    guest_ = publisher_->open().value();
  }
  void TearDown() override { publisher_.reset(); }
  void tell(bool listening, uint16_t port) {
    uint8_t news[guest_abi::kPortNewsBytes] = {static_cast<uint8_t>(listening)};
    store_le<uint16_t>(news + 1, port);
    ASSERT_EQ(::send(guest_.get(), news, sizeof news, 0), ssize_t{sizeof news});
  }
  void run_for(uint64_t milliseconds) {
    loop_->call_after(milliseconds, [this] { loop_->stop(); });
    loop_->run();
  }
  std::vector<uint16_t> published() const {
    std::vector<uint16_t> ports;
    for (const auto& forward : net_->published()) ports.push_back(forward.host_port);
    return ports;
  }

  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<virtio::NetDevice> net_;
  std::unique_ptr<AutoPublisher> publisher_;
  UniqueFd guest_;
  std::vector<std::string> lines_;
  int changes_ = 0;
};

TEST_F(AutoPublisherTest, FollowsTheWorkload) {
  tell(true, kFirst);
  tell(true, kFirst + 1);  // the caller's own
  tell(true, kFirst + 2);
  tell(true, kFirst);
  tell(true, 0);
  tell(false, kFirst);
  tell(false, kFirst + 7);
  run_for(20);
  EXPECT_EQ(published(), std::vector<uint16_t>{kFirst + 2});
  EXPECT_EQ(changes_, 3);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(AutoPublisherTest, OneReporter) {
  EXPECT_EQ(publisher_->open().error().code, ErrorCode::invalid_state);
}

TEST_F(AutoPublisherTest, PortInUseIsToldOnce) {
  ASSERT_TRUE(net_->publish({"127.0.0.1", kFirst + 9, 1}).ok());
  tell(true, kFirst + 9);
  tell(true, kFirst + 9);
  run_for(20);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("port 61009, which is not published by itself"), std::string::npos);
}

// A guest that tells of thousands is heard of few, and has few.
TEST_F(AutoPublisherTest, HeardSlowly) {
  for (uint16_t port = 1; port <= 200; ++port)
    tell(true, static_cast<uint16_t>(kFirst + 100 + port));
  run_for(100);
  EXPECT_EQ(published().size(), 32u);
}

TEST_F(AutoPublisherTest, WhatIsPublishedStaysWithoutReporter) {
  tell(true, kFirst);
  guest_.reset();
  run_for(20);
  EXPECT_EQ(published(), std::vector<uint16_t>{kFirst});
}

// As a socket of both families would be, and on a machine that has one of them alone.
TEST(AutoPublisherAt, AllAddressesAreThoseOfIpv4Too) {
  auto loop = EventLoop::create().value();
  auto net = std::shared_ptr<virtio::NetDevice>(virtio::NetDevice::create(*loop, {}).value());
  AutoPublisher publisher(*loop, net, {"::", {}, {}, [] {}});
  auto guest = publisher.open().value();
  auto tell = [&](bool listening) {
    uint8_t news[guest_abi::kPortNewsBytes] = {static_cast<uint8_t>(listening)};
    store_le<uint16_t>(news + 1, kFirst);
    ASSERT_EQ(::send(guest.get(), news, sizeof news, 0), ssize_t{sizeof news});
  };
  std::set<std::string> addresses;
  tell(true);
  loop->call_after(20, [&] {
    for (const auto& forward : net->published()) addresses.insert(forward.host_address);
    tell(false);
  });
  loop->call_after(60, [&] { loop->stop(); });
  loop->run();
  EXPECT_TRUE(addresses.contains("0.0.0.0"));
  EXPECT_EQ(addresses.contains("::"), has_ipv6());
  EXPECT_TRUE(net->published().empty());
}

}  // namespace
}  // namespace bartizan::vmm::machine
