#include "guest/init/workload/listening_ports.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::workload {
namespace {

using Ports = std::set<uint16_t>;

constexpr const char* kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

TEST(ListeningPorts, OfTheKernelsTables) {
  EXPECT_EQ(listening_ports(std::string(kHead) +
                            "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n"
                            "   1: 0F02000A:0050 00000000:0000 0A 00000000:00000000 00:00000000\n"
                            "   2: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000\n"
                            "   3: 0F02000A:0052 0202000A:C350 01 00000000:00000000 00:00000000\n"),
            (Ports{80, 8080}));
  EXPECT_EQ(
      listening_ports(
          "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A\n"
          "   1: 00000000000000000000000001000000:0017 00000000000000000000000000000000:0000 0A\n"
          "   2: 0000000000000000FFFF00000100007F:0018 00000000000000000000000000000000:0000 0A\n"),
      (Ports{22}));
}

TEST(ListeningPorts, WhatIsNoLineIsNone) {
  for (const char* text : {"", "\n\n", "x", "a b c d", "0: 00000000 0 0A", "0: :0050 0 01",
                           "0: 00000000:ZZZZ 0 0A", "0: 00000000: 0 0A"})
    EXPECT_EQ(listening_ports(text), Ports{}) << text;
}

TEST(ListeningPorts, Bounded) {
  std::string text;
  for (int port = 1; port <= 500; ++port) {
    char line[64];
    snprintf(line, sizeof line, "  1: 00000000:%04X 00000000:0000 0A\n", port);
    text += line;
  }
  EXPECT_EQ(listening_ports(text).size(), guest_abi::kMaxListeningPorts);
}

// This process's kernel writes the tables.
TEST(ListeningPorts, TellsTheHostOfThisProcess) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd host(ends[0]);
  ListeningPorts ports{UniqueFd(ends[1])};
  EXPECT_EQ(ports.wait_ms(), 0);
  UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  ASSERT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ports.look();
  EXPECT_GT(ports.wait_ms(), 0);
  auto told = [&](bool listening) {
    uint8_t news[guest_abi::kPortNewsBytes];
    while (::recv(host.get(), news, sizeof news, MSG_DONTWAIT) == sizeof news) {
      if (news[0] == listening && load_le<uint16_t>(news + 1) == ntohs(address.sin_port))
        return true;
    }
    return false;
  };
  EXPECT_TRUE(told(true));
  server.reset();
  while (ports.wait_ms() > 0) ::usleep(10'000);
  ports.look();
  EXPECT_TRUE(told(false));
  host.reset();
  ports.look();
}

TEST(ListeningPorts, NobodyAsks) {
  ListeningPorts ports;
  EXPECT_EQ(ports.wait_ms(), -1);
  ports.look();
}

}  // namespace
}  // namespace bartizan::guest::init::workload
