#include "vmm/virtio/net/egress.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace bartizan::vmm::virtio {
namespace {

constexpr uint8_t kSyn = 0x02, kAck = 0x10;

struct Segment {
  uint8_t protocol = IPPROTO_TCP;
  uint16_t port = 80;
  uint8_t flags = kSyn;
  uint16_t fragment = 0;  // IPv4's flags and offset
  uint16_t source_port = 40000;
  uint8_t icmp_type = 8;
  size_t options = 0;  // bytes of IPv4 options
};

Bytes transport(const Segment& segment) {
  Bytes bytes(segment.protocol == IPPROTO_TCP ? 20 : 8);
  if (segment.protocol == IPPROTO_ICMP || segment.protocol == IPPROTO_ICMPV6) {
    bytes[0] = segment.icmp_type;
    return bytes;
  }
  bytes[0] = static_cast<uint8_t>(segment.source_port >> 8);
  bytes[1] = static_cast<uint8_t>(segment.source_port);
  bytes[2] = static_cast<uint8_t>(segment.port >> 8);
  bytes[3] = static_cast<uint8_t>(segment.port);
  if (segment.protocol == IPPROTO_TCP) bytes[12] = 0x50, bytes[13] = segment.flags;
  return bytes;
}

Bytes frame_v4(const std::string& from, const std::string& to, const Segment& segment) {
  Bytes frame(14 + 20 + segment.options);
  frame[12] = 0x08;
  Bytes payload = transport(segment);
  size_t total = 20 + segment.options + payload.size();
  frame[14] = static_cast<uint8_t>(0x45 + segment.options / 4);
  frame[16] = static_cast<uint8_t>(total >> 8);
  frame[17] = static_cast<uint8_t>(total);
  frame[20] = static_cast<uint8_t>(segment.fragment >> 8);
  frame[21] = static_cast<uint8_t>(segment.fragment);
  frame[23] = segment.protocol;
  EXPECT_EQ(::inet_pton(AF_INET, from.c_str(), &frame[14 + 12]), 1) << from;
  EXPECT_EQ(::inet_pton(AF_INET, to.c_str(), &frame[14 + 16]), 1) << to;
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

Bytes frame_v6(const std::string& from, const std::string& to, const Segment& segment) {
  Bytes frame(14 + 40);
  frame[12] = 0x86, frame[13] = 0xdd;
  Bytes payload = transport(segment);
  frame[14] = 0x60;
  frame[14 + 5] = static_cast<uint8_t>(payload.size());
  frame[14 + 6] = segment.protocol;
  EXPECT_EQ(::inet_pton(AF_INET6, from.c_str(), &frame[14 + 8]), 1) << from;
  EXPECT_EQ(::inet_pton(AF_INET6, to.c_str(), &frame[14 + 24]), 1) << to;
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

bool is_v6(const std::string& address) {
  return address.find(':') != std::string::npos;
}

Bytes to(const std::string& address, Segment segment = {}) {
  if (is_v6(address) && segment.protocol == IPPROTO_ICMP) {
    segment.protocol = IPPROTO_ICMPV6;
    segment.icmp_type = 128;
  }
  return is_v6(address) ? frame_v6("fd62:7a6e::15", address, segment)
                        : frame_v4("10.0.2.15", address, segment);
}

using Kind = Verdict::Kind;

Kind judge(const std::string& address, Segment segment = {}, std::vector<std::string> allow = {}) {
  std::vector<EgressRule> rules;
  for (const auto& text : allow) rules.push_back(parse_egress_rule(text).value());
  return Egress(rules).judge(to(address, segment)).kind;
}

TEST(Egress, TheWorldIsOpen) {
  for (const char* address :
       {"1.1.1.1", "10.0.3.2", "192.168.0.1", "169.253.0.1", "100.100.100.201", "126.255.255.255",
        "128.0.0.1", "2606:4700::1111", "fd00::1", "fd62:7a6f::2", "1::", "192.0.0.193",
        "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_EQ(judge(address), Kind::pass) << address;
    EXPECT_EQ(judge(address, {.protocol = IPPROTO_UDP}), Kind::pass) << address;
    EXPECT_EQ(judge(address, {.protocol = IPPROTO_ICMP}),
              is_v6(address) ? Kind::refuse : Kind::pass)
        << address << ": libslirp has no ICMPv6 to the outside, and complains on stderr";
    EXPECT_TRUE(Egress().judge(to(address)).opens_flow) << address;
  }
}

// Each of these is the host itself, to its kernel or to libslirp.
TEST(Egress, TheHostIsNot) {
  for (const char* address :
       {"10.0.2.2", "10.0.2.0", "10.0.2.77", "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fd62:7a6e::2",
        "fd62:7a6e::ffff:1", "64:ff9b::7f00:1", "2002:7f00:1::1", "64:ff9b::a00:202"}) {
    for (uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP})
      EXPECT_EQ(judge(address, {.protocol = protocol}), Kind::refuse) << address;
    EXPECT_EQ(*Egress().judge(to(address)).reserved, Reserved::loopback) << address;
  }
  EXPECT_EQ(judge("127.0.0.1", {.protocol = IPPROTO_ICMP}), Kind::refuse);
  EXPECT_EQ(Egress().judge(to("10.0.2.2", {.port = 5432})).destination, "10.0.2.2 port 5432");
}

TEST(Egress, NorItsMetadata) {
  for (const char* address :
       {"169.254.169.254", "169.254.0.1", "168.63.129.16", "100.100.100.200", "192.0.0.192",
        "fe80::1", "febf::1", "fec0::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1",
        // the same, to a translator or relay
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
        "2606::5efe:a9fe:a9fe"}) {
    EXPECT_EQ(judge(address), Kind::refuse) << address;
    EXPECT_EQ(*Egress().judge(to(address)).reserved, Reserved::metadata) << address;
    EXPECT_EQ(judge(address, {}, {"metadata"}), Kind::pass) << address;
    EXPECT_EQ(judge(address, {}, {"metadata:80"}), Kind::pass) << address;
    EXPECT_EQ(judge(address, {.port = 81}, {"metadata:80"}), Kind::refuse) << address;
    EXPECT_EQ(judge(address, {}, {"loopback"}), Kind::refuse) << address;
  }
}

TEST(Egress, NowhereIsSilent) {
  for (const char* address : {"224.0.0.251", "239.255.255.250", "255.255.255.255", "10.0.2.255",
                              "240.0.0.1", "ff02::fb"}) {
    EXPECT_EQ(judge(address, {.protocol = IPPROTO_UDP}, {"loopback", "metadata"}), Kind::drop)
        << address;
  }
}

TEST(Egress, LoopbackByName) {
  for (const char* gateway : {"10.0.2.2", "fd62:7a6e::2"}) {
    EXPECT_EQ(judge(gateway, {.port = 8443}, {"loopback:8443"}), Kind::pass);
    EXPECT_EQ(judge(gateway, {.port = 8442}, {"loopback:8443"}), Kind::refuse);
    EXPECT_EQ(judge(gateway, {.port = 8442}, {"loopback:8443", "loopback"}), Kind::pass);
    EXPECT_EQ(judge(gateway, {.protocol = IPPROTO_UDP, .port = 8443}, {"loopback:8443"}),
              Kind::pass);
    EXPECT_EQ(judge(gateway, {}, {"metadata"}), Kind::refuse);
  }
  // by its one address
  for (const char* address : {"127.0.0.1", "0.0.0.0", "10.0.2.77", "::1", "::ffff:127.0.0.1"})
    EXPECT_EQ(judge(address, {}, {"loopback"}), Kind::refuse) << address;
}

TEST(Egress, NameServerIsForNames) {
  for (const char* address : {"10.0.2.3", "fd62:7a6e::3"}) {
    for (uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
      EXPECT_EQ(judge(address, {.protocol = protocol, .port = 53}), Kind::pass);
      EXPECT_EQ(judge(address, {.protocol = protocol, .port = 22}, {"loopback"}), Kind::refuse);
    }
  }
}

// Whoever answers a spoofed source answers a stranger, and a flow of libslirp's is opened for it.
TEST(Egress, DropsWhatIsNotFromTheGuestsOwnAddress) {
  for (const char* source : {"10.0.2.16", "10.0.2.2", "127.0.0.1", "0.0.0.0", "203.0.113.1"}) {
    for (uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP}) {
      for (uint8_t flags : {kSyn, kAck}) {
        const Segment segment{.protocol = protocol, .flags = flags};
        EXPECT_EQ(Egress().judge(frame_v4(source, "1.1.1.1", segment)).kind, Kind::drop) << source;
      }
    }
  }
  for (const char* source : {"fd62:7a6e::16", "fe80::1", "::", "::1", "2001:db8::1"})
    EXPECT_EQ(Egress().judge(frame_v6(source, "2606:4700::1111", {})).kind, Kind::drop) << source;
}

TEST(Egress, KnowsWhereAnAddressLeads) {
  const std::pair<const char*, Destination> rows[] = {
      {"1.1.1.1", Destination::outside},          {"192.168.1.1", Destination::outside},
      {"10.0.2.2", Destination::gateway},         {"fd62:7a6e::2", Destination::gateway},
      {"10.0.2.15", Destination::nowhere},        {"10.0.2.3", Destination::nowhere},
      {"127.0.0.1", Destination::nowhere},        {"0.0.0.0", Destination::nowhere},
      {"224.0.0.1", Destination::nowhere},        {"255.255.255.255", Destination::nowhere},
      {"169.254.169.254", Destination::metadata}, {"169.254.1.1", Destination::metadata},
      {"fe80::1", Destination::metadata},         {"::1", Destination::nowhere},
      {"ff02::1", Destination::nowhere},          {"64:ff9b::a9fe:a9fe", Destination::metadata},
      {"2606:4700::1111", Destination::outside}};
  for (const auto& [text, destination] : rows) {
    Bytes address(is_v6(text) ? 16 : 4);
    ASSERT_EQ(::inet_pton(is_v6(text) ? AF_INET6 : AF_INET, text, address.data()), 1) << text;
    EXPECT_EQ(destination_of(address), destination) << text;
  }
}

// The host's clients of a published port come from the gateway's address.
TEST(Egress, AnswersPass) {
  for (uint8_t flags : {uint8_t(kSyn | kAck), kAck, uint8_t(kAck | 0x01), uint8_t(0x04)}) {
    Verdict verdict = Egress().judge(to("10.0.2.2", {.flags = flags}));
    EXPECT_EQ(verdict.kind, Kind::pass);
    EXPECT_FALSE(verdict.opens_flow);
  }
  EXPECT_EQ(judge("10.0.2.2", {.flags = kSyn | 0x08}), Kind::refuse);

  Segment question{.protocol = IPPROTO_UDP, .port = 5353, .source_port = 55555};
  Segment answer{.protocol = IPPROTO_UDP, .port = 55555, .source_port = 5353};
  Egress egress;
  EXPECT_EQ(egress.judge(to("10.0.2.2", answer)).kind, Kind::refuse);
  egress.heard(frame_v4("10.0.2.2", "10.0.2.15", question));
  EXPECT_EQ(egress.judge(to("10.0.2.2", answer)).kind, Kind::pass);
  EXPECT_EQ(egress.judge(to("fd62:7a6e::2", answer)).kind, Kind::refuse);
  for (auto [port, source] : {std::pair(55556, 5353), {55555, 5354}}) {
    answer.port = static_cast<uint16_t>(port);
    answer.source_port = static_cast<uint16_t>(source);
    EXPECT_EQ(egress.judge(to("10.0.2.2", answer)).kind, Kind::refuse);
  }
}

TEST(Egress, PeersAreBounded) {
  Egress egress;
  for (uint16_t port = 1; port <= 1000; ++port)
    egress.heard(frame_v4("10.0.2.2", "10.0.2.15",
                          {.protocol = IPPROTO_UDP, .port = 53, .source_port = port}));
  auto answer = [&](uint16_t port) {
    return egress.judge(to("10.0.2.2", {.protocol = IPPROTO_UDP, .port = port, .source_port = 53}))
        .kind;
  };
  EXPECT_EQ(answer(1), Kind::refuse);
  EXPECT_EQ(answer(744), Kind::refuse);
  EXPECT_EQ(answer(745), Kind::pass);
  EXPECT_EQ(answer(1000), Kind::pass);
}

// The last one of a datagram whose beginning never came had libslirp 4.7.0 write where its bytes
// said.
TEST(Egress, Fragments) {
  constexpr uint16_t kMore = 0x2000;
  for (uint16_t fragment : {kMore, uint16_t{1}, uint16_t{0x1fff}, uint16_t(kMore | 185)}) {
    for (uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP}) {
      for (const char* address : {"1.1.1.1", "10.0.2.2", "10.0.2.3"}) {
        for (uint8_t flags : {kSyn, kAck}) {
          Segment segment{.protocol = protocol, .flags = flags, .fragment = fragment};
          const Verdict verdict =
              Egress({parse_egress_rule("loopback").value()}).judge(to(address, segment));
          EXPECT_EQ(verdict.kind, Kind::drop);
          EXPECT_TRUE(verdict.fragment);
        }
      }
    }
  }
  EXPECT_EQ(judge("1.1.1.1", {.fragment = 0x4000}), Kind::pass) << "one that must not be cut";
}

// What it answers by itself, whatever is allowed.
TEST(Egress, ServicesOfLibslirp) {
  for (uint16_t port : {67, 69, 547}) {
    for (const char* address : {"10.0.2.2", "10.0.2.3", "fd62:7a6e::2"})
      EXPECT_EQ(judge(address, {.protocol = IPPROTO_UDP, .port = port}, {"loopback"}),
                Kind::refuse);
  }
}

// From a published port a datagram's source is the host's published address.
TEST(Egress, PublishedDatagramsAreAnswersOnly) {
  const Segment answer{.protocol = IPPROTO_UDP, .port = 4000, .source_port = 9090};
  const Segment question{.protocol = IPPROTO_UDP, .port = 9090, .source_port = 4000};
  for (const char* peer : {"10.9.9.9", "2606:4700::1111", "10.0.2.2"}) {
    Egress egress({parse_egress_rule("loopback").value()});
    EXPECT_EQ(egress.judge(to(peer, answer)).kind, Kind::pass);
    egress.publish_datagrams(9090);
    EXPECT_EQ(egress.judge(to(peer, answer)).kind, Kind::refuse) << peer;
    egress.heard(is_v6(peer) ? frame_v6(peer, "fd62:7a6e::15", question)
                             : frame_v4(peer, "10.0.2.15", question));
    EXPECT_EQ(egress.judge(to(peer, answer)).kind, Kind::pass) << peer;
    EXPECT_EQ(egress.judge(to("10.9.9.8", answer)).kind, Kind::refuse);
    EXPECT_EQ(egress.judge(to(peer, {.protocol = IPPROTO_UDP, .source_port = 9091})).kind,
              Kind::pass);
    egress.withdraw_datagrams(9090);
    EXPECT_EQ(egress.judge(to("10.9.9.8", answer)).kind, Kind::pass);
  }
}

TEST(Egress, OptionsDoNotHidePorts) {
  EXPECT_EQ(judge("10.0.2.2", {.port = 8443, .options = 8}, {"loopback:8443"}), Kind::pass);
  EXPECT_EQ(judge("10.0.2.2", {.port = 8442, .options = 8}, {"loopback:8443"}), Kind::refuse);
}

TEST(Egress, WhatIsNoPacketIsDropped) {
  for (size_t size = 0; size < 54; ++size) {
    Bytes v4 = to("1.1.1.1"), v6 = to("2606:4700::1111");
    v4.resize(size);
    v6.resize(size);
    EXPECT_EQ(Egress().judge(v4).kind, Kind::drop) << size;
    EXPECT_EQ(Egress().judge(v6).kind, Kind::drop) << size;
  }
  EXPECT_EQ(judge("1.1.1.1", {.protocol = 47}), Kind::drop);          // GRE
  EXPECT_EQ(judge("2606:4700::1111", {.protocol = 0}), Kind::drop);   // hop-by-hop options
  EXPECT_EQ(judge("2606:4700::1111", {.protocol = 44}), Kind::drop);  // fragment header
  Bytes vlan = to("1.1.1.1");
  vlan[12] = 0x81;
  EXPECT_EQ(Egress().judge(vlan).kind, Kind::drop);
}

TEST(Egress, NeighbourDiscoveryPasses) {
  for (uint8_t type : {133, 135, 136}) {
    Segment segment{.protocol = IPPROTO_ICMPV6, .icmp_type = type};
    EXPECT_EQ(judge("ff02::1:ff00:2", segment), Kind::pass);
    EXPECT_EQ(judge("fe80::2", segment), Kind::pass);
  }
  EXPECT_EQ(judge("fe80::2", {.protocol = IPPROTO_ICMPV6, .icmp_type = 128}), Kind::refuse);
}

uint32_t checksum(ByteView bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  if (bytes.size() % 2 != 0) sum += bytes.back() << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;  // 0xffff: right
}

TEST(Egress, RefusalIsAnIcmpError) {
  Bytes frame = to("10.0.2.2", {.port = 5432});
  Bytes answer = refusal_of(frame);
  ASSERT_EQ(answer.size(), 14u + 20 + 8 + 28);
  EXPECT_EQ(checksum(ByteView(answer).subspan(14, 20)), 0xffffu);
  EXPECT_EQ(checksum(ByteView(answer).subspan(34)), 0xffffu);
  EXPECT_EQ(answer[34], 3);
  EXPECT_EQ(answer[35], 13);
  EXPECT_TRUE(std::equal(answer.begin() + 42, answer.end(), frame.begin() + 14));
  EXPECT_TRUE(std::equal(answer.begin() + 30, answer.begin() + 34, frame.begin() + 26));

  frame = to("::1", {.port = 5432});
  answer = refusal_of(frame);
  ASSERT_EQ(answer.size(), 14u + 40 + 8 + 60);
  EXPECT_EQ(checksum(ByteView(answer).subspan(54),
                     checksum(ByteView(answer).subspan(14 + 8, 32)) + IPPROTO_ICMPV6 + 68),
            0xffffu);
  EXPECT_EQ(answer[54], 1);
  EXPECT_EQ(answer[55], 1);
}

TEST(Egress, Rules) {
  EXPECT_EQ(parse_egress_rule("loopback").value().port, 0);
  EXPECT_EQ(parse_egress_rule("metadata:80").value().where, Reserved::metadata);
  EXPECT_EQ(parse_egress_rule("loopback:65535").value().port, 65535);
  for (const char* text :
       {"", "loopback:", "loopback:0", "loopback:65536", "loopback:-1", "loopback:80x",
        "loopback:80:81", "host", "Loopback", "127.0.0.1", ":80"})
    EXPECT_EQ(parse_egress_rule(text).error().code, ErrorCode::invalid_argument) << text;
}

}  // namespace
}  // namespace bartizan::vmm::virtio
