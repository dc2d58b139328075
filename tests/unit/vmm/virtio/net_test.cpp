#include "vmm/virtio/net/device.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <filesystem>

#include "base/blocked_signal.hpp"
#include "device_test.hpp"
#include "fakes/allocated.hpp"

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

// To 10.0.2.2, with a valid header checksum.
Bytes udp_packet(uint16_t source_port, uint16_t port, std::string_view content) {
  const uint8_t size = static_cast<uint8_t>(8 + content.size());
  uint8_t ip_header[20] = {0x45, 0,           0, static_cast<uint8_t>(20 + size),
                           0,    1,           0, 0,
                           64,   IPPROTO_UDP, 0, 0,
                           10,   0,           2, 15,
                           10,   0,           2, 2};
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
  packet.insert(packet.end(),
                {static_cast<uint8_t>(source_port >> 8), static_cast<uint8_t>(source_port),
                 static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port), 0, size, 0, 0});
  packet.insert(packet.end(), content.begin(), content.end());
  return packet;
}

Bytes udp_to_discard(uint16_t source_port) {
  return udp_packet(source_port, 9, "");
}

void add_checksum(Bytes& bytes, size_t from, size_t at, uint32_t sum) {
  for (size_t i = from; i + 1 < bytes.size(); i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  bytes[at] = static_cast<uint8_t>(~sum >> 8);
  bytes[at + 1] = static_cast<uint8_t>(~sum);
}

constexpr uint8_t kTcpSyn = 0x02, kTcpReset = 0x04;

// To 10.0.2.2.
Bytes tcp_packet(uint16_t source_port, uint16_t port, uint8_t flags, uint8_t sequence = 0) {
  Bytes packet = udp_packet(source_port, port, std::string(12, '\0'));
  const size_t ip = kHeader + 14, tcp = ip + 20;
  std::fill(packet.begin() + tcp + 4, packet.end(), 0);
  packet[tcp + 12] = 0x50;  // header of 20 bytes
  packet[tcp + 7] = sequence;
  packet[tcp + 13] = flags;
  packet[tcp + 14] = 0xff;  // window
  packet[ip + 9] = IPPROTO_TCP;
  packet[ip + 10] = packet[ip + 11] = 0;
  Bytes header(packet.begin() + ip, packet.begin() + tcp);
  add_checksum(header, 0, 10, 0);
  std::copy(header.begin(), header.end(), packet.begin() + ip);
  // RFC 9293 §3.1: both addresses, the protocol and the length
  add_checksum(packet, tcp, tcp + 16, 0x0a00 + 0x020f + 0x0a00 + 0x0202 + IPPROTO_TCP + 20);
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
  void launch_with(std::vector<PortForward> publish, NetworkPolicy policy = {}) {
    launch([&](EventLoop& loop) {
      return net_ = NetDevice::create(loop, {publish, policy}).value();
    });
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

// A datagram from a client of the host arrives, and its answer goes back: but none to another port
// of the host's loopback.
TEST_P(NetTest, PublishedDatagramsGoBothWays) {
  launch_with({{"127.0.0.1", 0, 9000, true}});
  UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = loopback(net_->published()[0].host_port);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(client.get(), "hi", 2, 0), 2);
  auto question = next_of_type(0x0806);
  ASSERT_TRUE(question);
  transmit(arp(2, "10.0.2.2", load_le<Arp>(question->data()).source_mac));
  auto datagram = next_of_type(0x0800);
  ASSERT_TRUE(datagram);
  ASSERT_EQ((*datagram)[14 + 9], IPPROTO_UDP);
  uint16_t peer = static_cast<uint16_t>((*datagram)[34] << 8 | (*datagram)[35]);
  EXPECT_EQ((*datagram)[36] << 8 | (*datagram)[37], 9000);
  transmit(udp_packet(9000, static_cast<uint16_t>(peer ^ 1), "no"));
  transmit(udp_packet(9000, peer, "yes"));
  char answer[8] = "";
  for (int i = 0; ::recv(client.get(), answer, sizeof answer, 0) < 0 && i < 500; ++i)
    ::usleep(10'000);
  EXPECT_STREQ(answer, "yes");
}

TEST_P(NetTest, ReservedDestinationIsRefusedAtOnce) {
  std::vector<std::string> lines;
  std::mutex mutex;
  launch_with({}, {.log = [&](LogLevel, std::string_view line) {
                std::lock_guard lock(mutex);
                lines.emplace_back(line);
              }});
  for (int i = 0; i < 3; ++i) {
    transmit(udp_packet(4000, 9, "x"));
    auto refusal = next_of_type(0x0800);
    ASSERT_TRUE(refusal);
    EXPECT_EQ((*refusal)[14 + 9], IPPROTO_ICMP);
    EXPECT_EQ((*refusal)[34] << 8 | (*refusal)[35], 3 << 8 | 13);
  }
  std::lock_guard lock(mutex);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("10.0.2.2 port 9, the host's loopback: allow \"loopback\""),
            std::string::npos)
      << lines[0];
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

// The end of a datagram whose beginning never came: libslirp 4.7.0 took the address that it writes
// to from the payload.
TEST_P(NetTest, FragmentsDoNotReachLibslirp) {
  launch_with({});
  for (uint16_t offset : {1, 5, 200, 0x1fff}) {
    Bytes packet = udp_packet(4000, 4001, std::string(64, 'A'));
    const size_t ip = kHeader + 14;
    packet[ip + 6] = static_cast<uint8_t>(offset >> 8);
    packet[ip + 7] = static_cast<uint8_t>(offset);
    packet[ip + 16] = 10, packet[ip + 17] = 9, packet[ip + 18] = 9, packet[ip + 19] = 9;
    packet[ip + 10] = packet[ip + 11] = 0;
    Bytes header(packet.begin() + ip, packet.begin() + ip + 20);
    add_checksum(header, 0, 10, 0);
    std::copy(header.begin(), header.end(), packet.begin() + ip);
    transmit(packet);
  }
  transmit(arp(1, "10.0.2.3"));
  EXPECT_TRUE(next_of_type(0x0806));
}

// From ever new ports to the host's discard port: each is a descriptor, and they end.
TEST_P(NetTest, FlowsAreBounded) {
  launch_with({}, {.allow = {{Reserved::loopback, 9}}});
  auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  auto before = descriptors();
  for (uint16_t port = 1; port <= 900; ++port) transmit(udp_to_discard(port));
  EXPECT_GT(descriptors() - before, 200);
  EXPECT_LE(descriptors() - before, 512);
  transmit(arp(1, "10.0.2.2"));
  EXPECT_TRUE(next_of_type(0x0806));
}

// Beyond the limit of flows, and of what waits for a guest that takes nothing.
TEST_P(NetTest, FloodsCostNoMemory) {
  if (GetParam().racing) GTEST_SKIP() << "that memory keeps what it gave";
  launch_with({}, {.allow = {{Reserved::loopback, 9}}});
  auto flood = [this](uint32_t rounds) {
    for (uint32_t i = 0; i < rounds; ++i) {
      transmit(udp_to_discard(static_cast<uint16_t>(1 + i % 60'000)));
      transmit(arp(1, "10.0.2.2"));
      transmit(Bytes(kHeader + 60, static_cast<uint8_t>(i)));
    }
  };
  flood(600);
  const size_t before = fakes::allocated();
  flood(2000);
  EXPECT_LE(fakes::allocated(), before + (256 << 10));
}

// Connections that the other side keeps open and nobody waits for count as well; one more is
// refused at once, and when some end there is room again.
TEST_P(NetTest, ConnectionsAreBounded) {
  UniqueFd server = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(server.get(), 4096), 0);
  ASSERT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t port = ntohs(address.sin_port);
  launch_with({}, {.allow = {{Reserved::loopback, 0}}});
  transmit(arp(1, "10.0.2.2"));
  auto frame_with = [&](uint8_t protocol, uint16_t syn_from) {
    while (next(std::chrono::milliseconds(100))) {  // so that there is room for the answer
    }
    transmit(tcp_packet(syn_from, port, kTcpSyn));
    for (int i = 0; i < 2000; ++i) {
      auto frame = next();
      if (!frame) return false;
      if (frame->size() > 37 && (*frame)[12] == 0x08 && (*frame)[13] == 0 &&
          (*frame)[14 + 9] == protocol &&
          (protocol == IPPROTO_ICMP || ((*frame)[36] << 8 | (*frame)[37]) == syn_from))
        return true;
    }
    return false;
  };
  for (uint16_t source = 1; source <= 700; ++source) transmit(tcp_packet(source, port, kTcpSyn));
  EXPECT_TRUE(frame_with(IPPROTO_ICMP, 900));
  for (uint16_t source = 1; source <= 700; ++source)
    transmit(tcp_packet(source, port, kTcpReset, 1));
  EXPECT_TRUE(frame_with(IPPROTO_TCP, 901));
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

TEST(Net, BothFamiliesAndProtocols) {
  auto loop = EventLoop::create().value();
  auto device = NetDevice::create(*loop, {{{"127.0.0.1", 0, 80},
                                           {"127.0.0.1", 0, 80, true},
                                           {"::1", 0, 80},
                                           {"::1", 0, 80, true}}})
                    .value();
  for (const PortForward& forward : device->published()) EXPECT_NE(forward.host_port, 0);
  // The same port of the other protocol and family is another one.
  uint16_t port = device->published()[0].host_port;
  EXPECT_EQ(device->publish({"127.0.0.1", port, 80}).error().code, ErrorCode::already_exists);
  EXPECT_TRUE(device->publish({"127.0.0.1", port, 80, true}).ok());
  EXPECT_TRUE(device->publish({"::1", port, 80}).ok());
  PortForward first = device->published()[0];
  device->withdraw(first);
  EXPECT_EQ(device->published().size(), 5u);
  EXPECT_TRUE(device->publish(first).ok());
}

TEST(Net, BrokenPipeIsQuiet) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ::close(ends[1]);
  UniqueFd end(ends[0]);
  {
    BlockedSignal quiet(SIGPIPE);
    EXPECT_EQ(::send(end.get(), "x", 1, 0), -1);  // would end this program
  }
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

}  // namespace
}  // namespace bartizan::vmm::virtio
