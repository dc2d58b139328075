#include "vmm/virtio/net/device.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <filesystem>

#include "device_test.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr size_t kHeader = 12;

struct [[gnu::packed]] Arp {
  uint8_t target_mac[6], source_mac[6];
  uint16_t type = htons(0x0806), hardware = htons(1), protocol = htons(0x0800);
  uint8_t hardware_size = 6, protocol_size = 4;
  uint16_t operation;
  uint8_t sender_mac[6];
  uint32_t sender_ip;
  uint8_t asked_mac[6];
  uint32_t asked_ip;
};

uint32_t ip(const char* text) {
  return ::inet_addr(text);
}

Bytes arp(uint16_t operation, const char* asked, const uint8_t* target_mac = nullptr) {
  Arp frame{};
  for (int i = 0; i < 6; ++i) {
    frame.target_mac[i] = target_mac ? target_mac[i] : 0xff;
    frame.source_mac[i] = frame.sender_mac[i] = kGuestMac[i];
  }
  frame.operation = htons(operation);
  frame.sender_ip = ip("10.0.2.15");
  frame.asked_ip = ip(asked);
  Bytes packet(kHeader);
  auto view = reinterpret_cast<const uint8_t*>(&frame);
  packet.insert(packet.end(), view, view + sizeof frame);
  return packet;
}

// To 10.0.2.2, port 9, with a valid header checksum.
Bytes udp_to_discard(uint16_t source_port) {
  uint8_t ip_header[20] = {0x45, 0, 0,  28, 0, 1,  0,  0, 64, IPPROTO_UDP,
                           0,    0, 10, 0,  2, 15, 10, 0, 2,  2};
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += ip_header[i] << 8 | ip_header[i + 1];
  sum = ~((sum & 0xffff) + (sum >> 16));
  ip_header[10] = static_cast<uint8_t>(sum >> 8);
  ip_header[11] = static_cast<uint8_t>(sum);
  Bytes packet(kHeader);
  packet.insert(packet.end(), {0x52, 0x55, 10, 0, 2, 2});
  packet.insert(packet.end(), kGuestMac.begin(), kGuestMac.end());
  packet.insert(packet.end(), {0x08, 0x00});
  packet.insert(packet.end(), ip_header, ip_header + 20);
  packet.insert(packet.end(), {static_cast<uint8_t>(source_port >> 8),
                               static_cast<uint8_t>(source_port), 0, 9, 0, 8, 0, 0});
  return packet;
}

UniqueFd tcp_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ip("127.0.0.1");
  address.sin_port = htons(port);
  return address;
}

class NetTest : public DeviceTest {
 protected:
  void launch_with(std::vector<PortForward> publish) {
    launch([&](EventLoop& loop) { return net_ = NetDevice::create(loop, {publish}).value(); });
    for (int i = 0; i < 16; ++i) give_buffer();
  }
  void give_buffer() {
    auto sent = guest_->send(0, {}, {kHeader, 1514});
    buffers_[sent.head] = sent;
  }
  // The next frame for the guest, without its header.
  std::optional<Bytes> next(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    auto used = guest_->wait(0, limit);
    if (!used) return std::nullopt;
    Bytes packet = guest_->contents(buffers_[static_cast<uint16_t>(used->head)], used->written);
    give_buffer();
    if (packet.size() < kHeader) return std::nullopt;
    EXPECT_EQ(load_le<uint16_t>(&packet[10]), 1u);  // num_buffers
    return Bytes(packet.begin() + kHeader, packet.end());
  }
  std::optional<Bytes> next_of_type(uint16_t type) {
    while (auto frame = next()) {
      if (frame->size() > 14 && (*frame)[12] == type >> 8 && (*frame)[13] == (type & 0xff))
        return frame;
    }
    return std::nullopt;
  }
  void transmit(const Bytes& packet) {
    guest_->send(1, {packet}, {}, modern());
    ASSERT_TRUE(guest_->wait(1));
  }
  void TearDown() override {
    net_.reset();  // the guest holds it too, and must be the last: devices die before their loop
    guest_.reset();
  }

  std::shared_ptr<NetDevice> net_;
  std::map<uint16_t, fakes::DriverQueue::Sent> buffers_;
};

TEST_P(NetTest, ConfigurationHoldsTheMac) {
  launch_with({});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(guest_->transport().read(0x100 + i, 1), kGuestMac[i]);
  guest_->write(0x14, 0);
  EXPECT_EQ(guest_->read(0x10) & 0xffffff, 1u << 5);
}

TEST_P(NetTest, GatewayAnswersArp) {
  launch_with({});
  transmit(arp(1, "10.0.2.2"));
  auto reply = next_of_type(0x0806);
  ASSERT_TRUE(reply);
  ASSERT_GE(reply->size(), sizeof(Arp));
  Arp answer = load_le<Arp>(reply->data());
  EXPECT_EQ(ntohs(answer.operation), 2);
  EXPECT_EQ(answer.sender_ip, ip("10.0.2.2"));
  EXPECT_EQ(answer.asked_ip, ip("10.0.2.15"));
}

// A connection to the published port arrives at the guest as a SYN to the guest's port.
TEST_P(NetTest, PublishedPortReachesTheGuest) {
  launch_with({{"127.0.0.1", 0, 8080}});
  ASSERT_EQ(net_->published().size(), 1u);
  uint16_t port = net_->published()[0].host_port;
  ASSERT_NE(port, 0);
  UniqueFd client = tcp_socket();
  sockaddr_in address = loopback(port);
  ::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  auto question = next_of_type(0x0806);
  ASSERT_TRUE(question);
  Arp asked = load_le<Arp>(question->data());
  EXPECT_EQ(asked.asked_ip, ip("10.0.2.15"));
  transmit(arp(2, "10.0.2.2", asked.source_mac));
  auto syn = next_of_type(0x0800);
  ASSERT_TRUE(syn);
  ASSERT_GE(syn->size(), 14u + 20 + 20);
  EXPECT_EQ((*syn)[14 + 9], IPPROTO_TCP);
  EXPECT_EQ((*syn)[14 + 20 + 2] << 8 | (*syn)[14 + 20 + 3], 8080);
  EXPECT_EQ((*syn)[14 + 20 + 13], 0x02);  // SYN
}

TEST_P(NetTest, RubbishIsDropped) {
  launch_with({});
  transmit(Bytes(5));
  transmit(Bytes(kHeader));
  transmit(Bytes(kHeader + 3));
  transmit(Bytes(kHeader + 2000));
  Bytes ipv6(kHeader + 60);
  ipv6[kHeader + 12] = 0x86;
  ipv6[kHeader + 13] = 0xdd;
  transmit(ipv6);
  Bytes truncated(kHeader + 14 + 20, 0xff);
  truncated[kHeader + 12] = 0x08;
  truncated[kHeader + 13] = 0x00;
  transmit(truncated);
  EXPECT_FALSE(next(std::chrono::milliseconds(50)));
  transmit(arp(1, "10.0.2.3"));
  EXPECT_TRUE(next_of_type(0x0806));
}

// From ever new ports to the host's discard port: each is a descriptor, and they end.
TEST_P(NetTest, FlowsAreBounded) {
  launch_with({});
  auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  auto before = descriptors();
  for (uint16_t port = 1; port <= 900; ++port) transmit(udp_to_discard(port));
  EXPECT_GT(descriptors() - before, 400);
  EXPECT_LT(descriptors() - before, 600);
  transmit(arp(1, "10.0.2.2"));
  EXPECT_TRUE(next_of_type(0x0806));
}

TEST_P(NetTest, PrivateReceiveBufferLosesTheFrameOnly) {
  launch_with({});
  auto& queue = guest_->queue(0);
  guest_->memory().make_private(queue.buffers());
  transmit(arp(1, "10.0.2.2"));
  auto used = guest_->wait(0);
  ASSERT_TRUE(used);
  EXPECT_EQ(used->written, 0u);
  guest_->memory().make_private(queue.buffers(), false);
  while (guest_->memory().refused() < 3) {  // the frame's buffers of that page run out
    transmit(arp(1, "10.0.2.2"));
    if (next(std::chrono::milliseconds(500))) break;
  }
  transmit(arp(1, "10.0.2.2"));
  EXPECT_TRUE(next_of_type(0x0806));
}

BARTIZAN_DEVICE_TEST(NetTest);

TEST(Net, PortInUse) {
  UniqueFd taken = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  ASSERT_EQ(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  uint16_t port = ntohs(address.sin_port);
  auto loop = EventLoop::create().value();
  auto device = NetDevice::create(*loop, {{{"127.0.0.1", port, 80}}});
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code, ErrorCode::already_exists);
  EXPECT_EQ(device.error().message, "127.0.0.1:" + std::to_string(port) + " is in use");
}

TEST(Net, BadAddress) {
  auto loop = EventLoop::create().value();
  EXPECT_EQ(NetDevice::create(*loop, {{{"localhost", 80, 80}}}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(NetDevice::create(*loop, {{{"127.0.0.1", 0, 0}}}).error().code,
            ErrorCode::invalid_argument);
}

TEST(Net, SeveralPorts) {
  auto loop = EventLoop::create().value();
  auto device = NetDevice::create(*loop, {{{"127.0.0.1", 0, 80}, {"127.0.0.1", 0, 81}}}).value();
  EXPECT_NE(device->published()[0].host_port, 0);
  EXPECT_NE(device->published()[1].host_port, 0);
  EXPECT_NE(device->published()[0].host_port, device->published()[1].host_port);
}

TEST(Net, BrokenPipeIsQuiet) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ::close(ends[1]);
  UniqueFd end(ends[0]);
  {
    QuietPipe quiet;
    EXPECT_EQ(::send(end.get(), "x", 1, 0), -1);  // would end this program
  }
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

}  // namespace
}  // namespace bartizan::vmm::virtio
