#include "vmm/virtio/vsock/device.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/errors.hpp"
#include "device_test.hpp"
#include "fakes/allocated.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr uint32_t kEcho = 1000, kDead = 1001, kGuestPort = 5000;

struct Packet {
  VsockHeader header;
  Bytes payload;
};

class VsockTest : public DeviceTest {
 protected:
  void SetUp() override {
    launch([this](EventLoop& loop) {
      VsockOptions options;
      options.ports[kEcho] = [this](uint32_t) -> Result<UniqueFd> {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
          return errno_error(errno, "test", "socketpair");
        }
        std::lock_guard lock(mutex_);
        hosts_.emplace_back(ends[1]);
        return UniqueFd(ends[0]);
      };
      options.ports[kDead] = [](uint32_t) -> Result<UniqueFd> {
        return make_error(ErrorCode::not_found, "test", "nobody");
      };
      return vsock_ = VsockDevice::create(loop, std::move(options));
    });
    for (int i = 0; i < 16; ++i) give_buffer();
  }
  void TearDown() override {
    vsock_.reset();  // the guest holds it too, and must be the last: devices die before their loop
    guest_.reset();
  }

  void give_buffer(uint32_t size = 4096 + 44) {
    auto sent = guest_->send(0, {}, {44, size - 44});
    buffers_[sent.head] = sent;
  }
  static VsockHeader header(uint16_t operation, uint32_t host_port = kEcho,
                            uint32_t guest_port = kGuestPort) {
    VsockHeader header;
    header.source_cid = kVsockGuestCid;
    header.target_cid = kVsockHostCid;
    header.source_port = guest_port;
    header.target_port = host_port;
    header.operation = operation;
    header.buffer_size = 64 * 1024;
    return header;
  }
  void send(VsockHeader header, std::string_view payload = {}) {
    header.length = static_cast<uint32_t>(payload.size());
    send_raw(header, bytes_of(payload));
  }
  void send_raw(const VsockHeader& header, const Bytes& payload) {
    auto view = reinterpret_cast<const uint8_t*>(&header);
    std::vector<Bytes> parts = {Bytes(view, view + sizeof header)};
    if (!payload.empty()) parts.push_back(payload);
    guest_->send(1, parts, {}, modern());
    ASSERT_TRUE(guest_->wait(1));
  }
  std::optional<Packet> next(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    auto used = guest_->wait(0, limit);
    if (!used || used->written < sizeof(VsockHeader)) return std::nullopt;
    Bytes bytes = guest_->contents(buffers_[static_cast<uint16_t>(used->head)], used->written);
    give_buffer();
    Packet packet{load_le<VsockHeader>(bytes.data()), Bytes(bytes.begin() + 44, bytes.end())};
    EXPECT_EQ(packet.header.source_cid, kVsockHostCid);
    EXPECT_EQ(packet.header.target_cid, kVsockGuestCid);
    EXPECT_EQ(packet.header.length, packet.payload.size());
    return packet;
  }
  void expect(uint16_t operation) {
    auto packet = next();
    ASSERT_TRUE(packet) << "no packet; expected operation " << operation;
    EXPECT_EQ(packet->header.operation, operation);
  }
  void expect_silence() { EXPECT_FALSE(next(std::chrono::milliseconds(50))); }
  size_t connections() {
    size_t count = 0;
    guest_->on_loop([&] { count = vsock_->connection_count(); });
    return count;
  }
  int host(size_t index = 0) {
    std::lock_guard lock(mutex_);
    return hosts_.at(index).get();
  }
  std::string host_reads(size_t size, int fd) {
    std::string got(size, 0);
    size_t done = 0;
    guest_->wait_until([&] {
      ssize_t count = ::recv(fd, got.data() + done, size - done, 0);
      if (count > 0) done += static_cast<size_t>(count);
      return done == size || count == 0;
    });
    got.resize(done);
    return got;
  }
  void connect() {
    send(header(kVsockRequest));
    expect(kVsockResponse);
  }

  std::shared_ptr<VsockDevice> vsock_;
  std::map<uint16_t, fakes::DriverQueue::Sent> buffers_;
  std::mutex mutex_;
  std::vector<UniqueFd> hosts_;
};

TEST_P(VsockTest, TellsTheGuestItsCid) {
  EXPECT_EQ(guest_->transport().read(0x100, 8), 3u);
}

TEST_P(VsockTest, StreamsBothWays) {
  connect();
  send(header(kVsockData), "from the guest");
  EXPECT_EQ(host_reads(14, host()), "from the guest");
  ASSERT_EQ(::send(host(), "from the host", 13, 0), 13);
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.operation, kVsockData);
  EXPECT_EQ(packet->header.buffer_size, kStreamBuffer);
  EXPECT_EQ(packet->header.forwarded, 14u);
  EXPECT_EQ(as_text(packet->payload), "from the host");
}

TEST_P(VsockTest, UnknownPortsAndPacketsAreReset) {
  send(header(kVsockRequest, 77));
  expect(kVsockReset);
  send(header(kVsockRequest, kDead));
  expect(kVsockReset);
  send(header(kVsockData, kEcho, 1), "no connection");
  expect(kVsockReset);
  VsockHeader wrong = header(kVsockRequest);
  wrong.type = 2;
  send(wrong);
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.type, 2u);
  EXPECT_EQ(packet->header.operation, kVsockReset);
  VsockHeader forged = header(kVsockRequest);
  forged.source_cid = 9;
  send(forged);
  expect(kVsockReset);
  send(header(kVsockReset, 77));
  expect_silence();  // never an answer to a RST
  EXPECT_EQ(connections(), 0u);
}

TEST_P(VsockTest, GuestClosesCleanly) {
  connect();
  send(header(kVsockData), "last words");
  VsockHeader shutdown = header(kVsockShutdown);
  shutdown.flags = kShutdownBoth;
  send(shutdown);
  expect(kVsockReset);
  EXPECT_EQ(host_reads(11, host()), "last words");  // then end of file
  EXPECT_EQ(connections(), 0u);
}

TEST_P(VsockTest, GuestHalfCloses) {
  connect();
  VsockHeader shutdown = header(kVsockShutdown);
  shutdown.flags = kShutdownSend;
  send(shutdown);
  EXPECT_EQ(host_reads(1, host()), "");
  ASSERT_EQ(::send(host(), "answer", 6, 0), 6);
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(as_text(packet->payload), "answer");
  ::shutdown(host(), SHUT_WR);
  expect(kVsockShutdown);
  expect(kVsockReset);  // both directions have ended
}

TEST_P(VsockTest, HostClosesAfterData) {
  connect();
  ASSERT_EQ(::send(host(), "key", 3, 0), 3);
  hosts_.clear();
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(as_text(packet->payload), "key");
  packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.operation, kVsockShutdown);
  EXPECT_EQ(packet->header.flags, kShutdownSend);
  VsockHeader shutdown = header(kVsockShutdown);
  shutdown.flags = kShutdownBoth;
  send(shutdown);
  expect(kVsockReset);
  EXPECT_EQ(connections(), 0u);
}

// §5.10.6.3: the host stops at the guest's credit and goes on when it grows.
TEST_P(VsockTest, GuestsCreditIsKept) {
  VsockHeader request = header(kVsockRequest);
  request.buffer_size = 10;
  send(request);
  expect(kVsockResponse);
  ASSERT_EQ(::send(host(), "0123456789abcdef", 16, 0), 16);
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(as_text(packet->payload), "0123456789");
  expect_silence();
  VsockHeader update = header(kVsockCreditUpdate);
  update.buffer_size = 10;
  update.forwarded = 10;
  send(update);
  packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(as_text(packet->payload), "abcdef");
}

// The host's end reads nothing: the guest may send kStreamBuffer, and is reset for a byte more.
TEST_P(VsockTest, OurCreditIsKept) {
  connect();
  int small = 1;
  ::setsockopt(host(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  bool was_reset = false;
  size_t sent = 0;
  for (int i = 0; i < 200 && !was_reset; ++i) {
    send(header(kVsockData), std::string(8192, 'x'));
    sent += 8192;
    while (auto packet = next(std::chrono::milliseconds(2)))
      was_reset |= packet->header.operation == kVsockReset;
  }
  EXPECT_TRUE(was_reset);
  EXPECT_GE(sent, kStreamBuffer);
  EXPECT_EQ(connections(), 0u);
}

TEST_P(VsockTest, CreditIsUpdatedAndAnsweredOnRequest) {
  connect();
  send(header(kVsockCreditRequest));
  expect(kVsockCreditUpdate);
  for (int i = 0; i < 4; ++i) {
    send(header(kVsockData), std::string(4096, 'x'));
    EXPECT_EQ(host_reads(4096, host()).size(), 4096u);
  }
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.operation, kVsockCreditUpdate);
  EXPECT_EQ(packet->header.forwarded, 16384u);
}

TEST_P(VsockTest, LongStreamsSurviveInOrder) {
  connect();
  std::string data(300'000, 0);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 4096);
  std::thread writer([&] {
    for (size_t done = 0; done < data.size();) {
      ssize_t count = ::send(host(), data.data() + done, data.size() - done, MSG_NOSIGNAL);
      if (count > 0)
        done += static_cast<size_t>(count);
      else
        std::this_thread::yield();
    }
  });
  std::string got;
  while (got.size() < data.size()) {
    auto packet = next();
    if (!packet) break;
    got.append(as_text(packet->payload));
    VsockHeader update = header(kVsockCreditUpdate);
    update.forwarded = static_cast<uint32_t>(got.size());
    send(update);
  }
  writer.join();
  EXPECT_EQ(got, data);
}

TEST_P(VsockTest, HostConnectsToTheGuest) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  UniqueFd host(ends[1]);
  guest_->on_loop([&] { ASSERT_TRUE(vsock_->connect_to_guest(99, UniqueFd(ends[0])).ok()); });
  auto packet = next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->header.operation, kVsockRequest);
  EXPECT_EQ(packet->header.target_port, 99u);
  uint32_t port = packet->header.source_port;
  send(header(kVsockResponse, port, 99));
  send(header(kVsockData, port, 99), "hello");
  EXPECT_EQ(host_reads(5, host.get()), "hello");
  send(header(kVsockReset, port, 99));
  EXPECT_EQ(host_reads(1, host.get()), "");
  EXPECT_EQ(connections(), 0u);
}

TEST_P(VsockTest, MalformedPackets) {
  connect();
  VsockHeader lying = header(kVsockData);
  lying.length = 1000;
  send_raw(lying, bytes_of("short"));
  expect(kVsockReset);
  connect();
  lying.length = UINT32_MAX;
  send_raw(lying, bytes_of("short"));
  expect(kVsockReset);
  guest_->send(1, {Bytes(20)}, {});  // half a header
  ASSERT_TRUE(guest_->wait(1));
  guest_->send(1, {}, {100});  // written where it should be read
  ASSERT_TRUE(guest_->wait(1));
  connect();
  send(header(99));
  expect(kVsockReset);
  connect();
  send(header(kVsockRequest));  // twice
  expect(kVsockReset);
  connect();
  send(header(kVsockResponse));  // to nothing we asked
  expect(kVsockReset);
  EXPECT_EQ(connections(), 0u);
}

TEST_P(VsockTest, ConnectionsAreBounded) {
  for (uint32_t port = 0; port < 64; ++port) {
    send(header(kVsockRequest, kEcho, port));
    expect(kVsockResponse);
  }
  send(header(kVsockRequest, kEcho, 64));
  expect(kVsockReset);
  EXPECT_EQ(connections(), 64u);
  send(header(kVsockReset, kEcho, 0));
  EXPECT_EQ(connections(), 63u);
}

// Refused, opened and reset, and kept open up to the limit: none costs the host more the more often
// it is done.
TEST_P(VsockTest, FloodsCostNoMemory) {
  if (GetParam().racing) GTEST_SKIP() << "that memory keeps what it gave";
  auto flood = [this](uint32_t rounds) {
    for (uint32_t i = 0; i < rounds; ++i) {
      send(header(kVsockRequest, 4444, i));
      expect(kVsockReset);
      send(header(kVsockRequest, kEcho, i));
      expect(kVsockResponse);
      send(header(kVsockReset, kEcho, i));
      std::lock_guard lock(mutex_);
      hosts_.clear();
    }
  };
  flood(200);
  const size_t before = fakes::allocated();
  flood(2000);
  EXPECT_LE(fakes::allocated(), before + (16 << 10));
}

TEST_P(VsockTest, PrivateReceiveBufferLosesTheConnectionOnly) {
  connect();
  auto& queue = guest_->queue(0);
  for (uint64_t page = 0; page < 32; ++page)
    guest_->memory().make_private(queue.buffers() + page * 4096);
  ASSERT_EQ(::send(host(), "secret", 6, 0), 6);
  ASSERT_TRUE(guest_->wait(0));
  EXPECT_GE(guest_->memory().refused(), 1u);
  for (uint64_t page = 0; page < 32; ++page)
    guest_->memory().make_private(queue.buffers() + page * 4096, false);
  guest_->wait(0, std::chrono::milliseconds(50));  // its RST, if a buffer of before took it
  EXPECT_EQ(connections(), 0u);
}

TEST_P(VsockTest, ResetOfTheDeviceClosesStreams) {
  connect();
  guest_->reset();
  guest_->settle();
  EXPECT_EQ(host_reads(1, host()), "");
  EXPECT_EQ(connections(), 0u);
  guest_->on_loop([&] {
    EXPECT_EQ(vsock_->connect_to_guest(1, UniqueFd()).error().code, ErrorCode::invalid_state);
  });
}

TEST_P(VsockTest, UnixSockets) {
  std::string path = "/tmp/bartizan-vsock-" + std::to_string(::getpid());
  std::unique_ptr<VsockListener> listener;
  guest_->on_loop([&] {
    listener = VsockListener::create(guest_->loop(), vsock_, 70, path).value();
    EXPECT_EQ(VsockListener::create(guest_->loop(), vsock_, 70, path).error().code,
              ErrorCode::already_exists);
  });
  {
    UniqueFd client = connect_unix(path).value();
    auto packet = next();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->header.operation, kVsockRequest);
    EXPECT_EQ(packet->header.target_port, 70u);
    send(header(kVsockReset, packet->header.source_port, 70));
    EXPECT_EQ(host_reads(1, client.get()), "");
  }
  guest_->on_loop([&] { listener.reset(); });
  EXPECT_EQ(connect_unix(path).error().code, ErrorCode::not_found);
  EXPECT_EQ(connect_unix(std::string(200, 'x')).error().code, ErrorCode::invalid_argument);
}

BARTIZAN_DEVICE_TEST(VsockTest);

// A guest that takes no answers is not read from any more, and keeps nothing but its own packets
// waiting.
TEST(Vsock, RepliesAreBounded) {
  fakes::GuestDriver guest({64, true, true, false},
                           [](EventLoop& loop) { return VsockDevice::create(loop, {}); });
  ASSERT_TRUE(guest.start());
  VsockHeader rubbish;
  rubbish.source_cid = kVsockGuestCid;
  rubbish.target_cid = kVsockHostCid;
  rubbish.operation = kVsockData;
  auto view = reinterpret_cast<const uint8_t*>(&rubbish);
  uint32_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    guest.send(1, {Bytes(view, view + sizeof rubbish)});
    if (guest.wait(1, std::chrono::milliseconds(i < 64 ? 5000 : 5))) ++taken;
  }
  EXPECT_EQ(taken, 64u);
  for (int i = 0; i < 60; ++i) guest.send(0, {}, {44});
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(guest.wait(0)) << i;  // then it goes on
  EXPECT_TRUE(guest.wait(1));
}

}  // namespace
}  // namespace bartizan::vmm::virtio
