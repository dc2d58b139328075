#include "vmm/virtio/net/egress.hpp"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/errors.hpp"
#include "guest_abi/network.hpp"

namespace bartizan::vmm::virtio {
namespace {

constexpr size_t kEthernetHeader = 14, kMacBytes = 6;
constexpr size_t kIpv4Header = 20, kIpv6Header = 40, kUdpHeader = 8, kTcpHeader = 20;
constexpr uint16_t kEtherIpv4 = 0x0800, kEtherArp = 0x0806, kEtherIpv6 = 0x86dd;
constexpr uint16_t kDnsPort = 53;
constexpr uint16_t kPortsOfLibslirp[] = {67, 69, 547};  // BOOTP, TFTP, DHCPv6
constexpr size_t kMaxPeers = 256;

// Of the packet that an ICMP error answers: what Linux needs to find the socket (RFC 792), and
// more for IPv6, whose headers are longer.
constexpr size_t kQuoted4 = kIpv4Header + 8, kQuoted6 = 128;

Bytes address_bytes(int family, const char* text) {
  Bytes bytes(family == AF_INET ? 4 : 16);
  ::inet_pton(family, text, bytes.data());
  return bytes;
}

struct Network {
  Bytes base;
  size_t prefix;

  bool holds(ByteView address) const {
    for (size_t bit = 0; bit < prefix; ++bit) {
      const uint8_t mask = static_cast<uint8_t>(0x80 >> bit % 8);
      if ((base[bit / 8] & mask) != (address[bit / 8] & mask)) return false;
    }
    return true;
  }
};

class Networks {
 public:
  Networks(int family, std::initializer_list<std::pair<const char*, size_t>> networks) {
    for (auto [text, prefix] : networks) all_.push_back({address_bytes(family, text), prefix});
  }
  bool hold(ByteView address) const {
    return std::any_of(all_.begin(), all_.end(),
                       [&](const Network& network) { return network.holds(address); });
  }

 private:
  std::vector<Network> all_;
};

// Places of one family of addresses.
struct Places {
  Networks loopback;  // what the host's kernel takes for the host itself, and what libslirp does
  // Link-local, and metadata services elsewhere: of Azure, Alibaba Cloud, Oracle, AWS, Google,
  // Scaleway, Akamai.
  Networks metadata;
  Networks nowhere;  // multicast, reserved, broadcast: lost, and the guest need not hear so
  Bytes gateway, name_server, guest;
};

const Places& places_like(ByteView address) {
  using namespace guest_abi;
  static const Places v4{
      {AF_INET, {{"0.0.0.0", 8}, {"127.0.0.0", 8}, {kNetwork, kNetworkPrefix}}},
      {AF_INET,
       {{"169.254.0.0", 16}, {"168.63.129.16", 32}, {"100.100.100.200", 32}, {"192.0.0.192", 32}}},
      {AF_INET, {{"224.0.0.0", 3}, {kNetworkBroadcast, 32}}},
      address_bytes(AF_INET, kGatewayAddress),
      address_bytes(AF_INET, kNameServerAddress),
      address_bytes(AF_INET, kGuestAddress)};
  static const Places v6{// ::/96 holds ::1, and addresses compatible with IPv4
                         {AF_INET6, {{"::", 96}, {"::ffff:0:0", 96}, {kNetwork6, kNetworkPrefix6}}},
                         {AF_INET6,
                          {{"fe80::", 10},
                           {"fec0::", 10},
                           {"fd00:ec2::", 32},
                           {"fd20:ce::254", 128},
                           {"fd00:c1::a9fe:a9fe", 128},
                           {"fd00:42::42", 128},
                           {"fd00:a9fe:a9fe::1", 128}}},
                         {AF_INET6, {{"ff00::", 8}}},
                         address_bytes(AF_INET6, kGatewayAddress6),
                         address_bytes(AF_INET6, kNameServerAddress6),
                         address_bytes(AF_INET6, kGuestAddress6)};
  return address.size() == 4 ? v4 : v6;
}

// The IPv4 address that a translator or relay near this host would send to; or the address itself.
// NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056 §2), ISATAP (RFC 5214 §6.1).
ByteView translated(ByteView address) {
  static const Networks nat64(AF_INET6, {{"64:ff9b::", 96}, {"64:ff9b:1::", 48}});
  static const Networks six_to_four(AF_INET6, {{"2002::", 16}});
  if (address.size() == 4) return address;
  const bool isatap = address[9] == 0 && address[10] == 0x5e && address[11] == 0xfe;
  if (nat64.hold(address) || isatap) return address.subspan(12);
  return six_to_four.hold(address) ? address.subspan(2, 4) : address;
}

bool equal(ByteView one, ByteView other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end());
}

uint16_t load_be16(ByteView bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void store_be16(Bytes& bytes, size_t at, size_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

// RFC 1071.
uint16_t internet_checksum(ByteView bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += bytes[i] << (i % 2 == 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

Destination destination_of(ByteView address) {
  const ByteView target = translated(address);
  const Places& places = places_like(target);
  if (equal(target, places.gateway)) return Destination::gateway;
  if (places.metadata.hold(target)) return Destination::metadata;
  if (places.loopback.hold(target) || places.nowhere.hold(target)) return Destination::nowhere;
  return Destination::outside;
}

// What of a packet counts here. Views into the frame.
struct Egress::Packet {
  ByteView source, destination;  // 4 or 16 bytes each
  uint8_t protocol = 0;
  bool fragment = false;
  ByteView payload = {};  // of IP, from the transport's header on

  bool is_icmp() const { return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6; }
  bool has_ports() const { return !is_icmp(); }
  uint16_t source_port() const { return has_ports() ? load_be16(payload, 0) : 0; }
  uint16_t port() const { return has_ports() ? load_be16(payload, 2) : 0; }
  // libslirp opens a flow for a segment with SYN alone, and resets what belongs to none.
  bool continues_a_stream() const {
    return protocol == IPPROTO_TCP && (payload[13] & (TH_SYN | TH_ACK)) != TH_SYN;
  }
  bool is_neighbour_discovery() const {  // RFC 4861 §4
    return protocol == IPPROTO_ICMPV6 && payload[0] >= ND_ROUTER_SOLICIT &&
           payload[0] <= ND_REDIRECT;
  }
  size_t header_bytes() const {
    return protocol == IPPROTO_TCP ? kTcpHeader : kUdpHeader;  // ICMP's is 8 too
  }
  bool is_whole() const { return fragment || payload.size() >= header_bytes(); }
  std::string destination_text() const {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(destination.size() == 4 ? AF_INET : AF_INET6, destination.data(), text,
                sizeof text);
    return has_ports() ? fmt::format("{} port {}", text, port()) : std::string(text);
  }
};

// RFC 791 §3.1. libslirp strips options, so the transport's header follows them.
std::optional<Egress::Packet> Egress::parse4(ByteView bytes) {
  if (bytes.size() < kIpv4Header) return std::nullopt;
  const size_t header = size_t{4} * (bytes[0] & 0xf), total = load_be16(bytes, 2);
  if (bytes[0] >> 4 != 4 || header < kIpv4Header || total < header || total > bytes.size())
    return std::nullopt;
  const uint16_t fragment = load_be16(bytes, 6);
  Packet packet;
  packet.source = bytes.subspan(12, 4);
  packet.destination = bytes.subspan(16, 4);
  packet.protocol = bytes[9];
  packet.fragment = (fragment & 0x3fff) != 0;
  packet.payload = bytes.subspan(header, total - header);
  const bool known = packet.protocol == IPPROTO_TCP || packet.protocol == IPPROTO_UDP ||
                     packet.protocol == IPPROTO_ICMP;
  return known && packet.is_whole() ? std::optional(packet) : std::nullopt;
}

// RFC 8200 §3; without extension headers, as libslirp takes it.
std::optional<Egress::Packet> Egress::parse6(ByteView bytes) {
  if (bytes.size() < kIpv6Header || bytes[0] >> 4 != 6) return std::nullopt;
  const size_t total = kIpv6Header + load_be16(bytes, 4);
  if (total > bytes.size()) return std::nullopt;
  Packet packet;
  packet.source = bytes.subspan(8, 16);
  packet.destination = bytes.subspan(24, 16);
  packet.protocol = bytes[6];
  packet.payload = bytes.subspan(kIpv6Header, total - kIpv6Header);
  const bool known = packet.protocol == IPPROTO_TCP || packet.protocol == IPPROTO_UDP ||
                     packet.protocol == IPPROTO_ICMPV6;
  return known && packet.is_whole() ? std::optional(packet) : std::nullopt;
}

std::optional<Egress::Packet> Egress::parse(ByteView frame) {
  if (frame.size() < kEthernetHeader) return std::nullopt;
  const uint16_t type = load_be16(frame, 2 * kMacBytes);
  if (type == kEtherIpv4) return parse4(frame.subspan(kEthernetHeader));
  if (type == kEtherIpv6) return parse6(frame.subspan(kEthernetHeader));
  return std::nullopt;
}

bool Egress::allowed(const Packet& packet, Reserved where) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const EgressRule& rule) {
    if (rule.where != where) return false;
    return rule.port == 0 || (packet.has_ports() && packet.port() == rule.port);
  });
}

bool Egress::is_neighbour_message(ByteView frame) {
  if (frame.size() < kEthernetHeader) return false;
  if (load_be16(frame, 2 * kMacBytes) == kEtherArp) return true;
  const auto packet = parse(frame);
  return packet && !packet->fragment && packet->is_neighbour_discovery();
}

Verdict Egress::judge(ByteView frame) const {
  if (is_neighbour_message(frame)) return {};
  const auto packet = parse(frame);
  if (!packet) return {Verdict::Kind::drop};
  if (!equal(packet->source, places_like(packet->source).guest)) return {Verdict::Kind::drop};
  if (packet->fragment) return {.kind = Verdict::Kind::drop, .fragment = true};
  if (packet->continues_a_stream()) return {};
  const ByteView destination = translated(packet->destination);
  const Places& places = places_like(destination);
  if (places.nowhere.hold(destination)) return {Verdict::Kind::drop};
  const bool metadata = places.metadata.hold(destination);
  if (metadata || places.loopback.hold(destination))
    return judge_reserved(*packet, metadata ? Reserved::metadata : Reserved::loopback);
  Verdict refused{Verdict::Kind::refuse, false, {}, packet->destination_text()};
  if (packet->protocol == IPPROTO_ICMPV6)
    return packet->payload[0] < ICMP6_ECHO_REQUEST ? Verdict{Verdict::Kind::drop} : refused;
  if (must_answer(*packet) && !is_answer(*packet)) return refused;
  return {Verdict::Kind::pass, true};
}

bool Egress::must_answer(const Packet& packet) const {
  return packet.protocol == IPPROTO_UDP && answering_.contains(packet.source_port());
}

Verdict Egress::judge_reserved(const Packet& packet, Reserved where) const {
  Verdict pass{Verdict::Kind::pass, true};
  Verdict refused{Verdict::Kind::refuse, false, where, packet.destination_text()};
  const Places& places = places_like(packet.destination);
  const bool gateway = equal(packet.destination, places.gateway);
  const bool name_server = equal(packet.destination, places.name_server);
  // libslirp answers such a ping by itself
  if (packet.is_icmp() && (gateway || name_server)) return pass;
  if (is_answer(packet)) return pass;
  if (must_answer(packet) || is_libslirps(packet)) return refused;
  if (name_server && packet.port() == kDnsPort) return pass;
  // No other address of the guest's network leads anywhere.
  if ((where == Reserved::metadata || gateway) && allowed(packet, where)) return pass;
  return refused;
}

bool Egress::is_libslirps(const Packet& packet) {
  const auto& ports = kPortsOfLibslirp;
  return packet.protocol == IPPROTO_UDP &&
         std::find(std::begin(ports), std::end(ports), packet.port()) != std::end(ports);
}

bool Egress::is_answer(const Packet& packet) const {
  if (packet.protocol != IPPROTO_UDP) return false;
  const Peer peer{Bytes(packet.destination.begin(), packet.destination.end()), packet.source_port(),
                  packet.port()};
  return std::find(peers_.begin(), peers_.end(), peer) != peers_.end();
}

void Egress::heard(ByteView frame) {
  const auto packet = parse(frame);
  if (!packet || packet->protocol != IPPROTO_UDP || packet->fragment) return;
  const bool from_gateway = equal(packet->source, places_like(packet->source).gateway);
  if (!from_gateway && !answering_.contains(packet->port())) return;
  const Peer peer{Bytes(packet->source.begin(), packet->source.end()), packet->port(),
                  packet->source_port()};
  std::erase(peers_, peer);
  if (peers_.size() >= kMaxPeers) peers_.pop_front();
  peers_.push_back(peer);
}

void Egress::withdraw_datagrams(uint16_t guest_port) {
  if (auto found = answering_.find(guest_port); found != answering_.end()) answering_.erase(found);
}

Result<EgressRule> parse_egress_rule(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  EgressRule rule;
  if (name == "metadata") rule.where = Reserved::metadata;
  bool good = name == "metadata" || name == "loopback";
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, rule.port);
    good = good && error == std::errc() && stopped == end && rule.port != 0;
  }
  if (good) return rule;
  return make_error(ErrorCode::invalid_argument, "virtio/net",
                    "allow \"{}\": must be loopback, loopback:PORT, metadata or metadata:PORT",
                    text);
}

namespace {

// RFC 792: type 3, code 13 of RFC 1812.
Bytes icmp4(ByteView packet) {
  Bytes answer(kIpv4Header + 8);
  answer[0] = 0x45;
  answer[8] = 64;  // hops
  answer[9] = IPPROTO_ICMP;
  std::copy_n(packet.begin() + 12, 4, answer.begin() + 16);
  const Bytes& gateway = places_like(packet.subspan(12, 4)).gateway;
  std::copy(gateway.begin(), gateway.end(), answer.begin() + 12);
  answer[20] = ICMP_DEST_UNREACH;
  answer[21] = ICMP_PKT_FILTERED;
  append(answer, packet.first(std::min(packet.size(), kQuoted4)));
  store_be16(answer, 2, answer.size());
  store_be16(answer, 10, internet_checksum(ByteView(answer).first(kIpv4Header)));
  store_be16(answer, 22, internet_checksum(ByteView(answer).subspan(kIpv4Header)));
  return answer;
}

// RFC 4443 §3.1, and §2.3 for the checksum.
Bytes icmp6(ByteView packet) {
  const ByteView quoted = packet.first(std::min(packet.size(), kQuoted6));
  Bytes message = {ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, 0, 0, 0, 0, 0, 0};
  append(message, quoted);
  Bytes addresses = places_like(packet.subspan(8, 16)).gateway;
  append(addresses, packet.subspan(8, 16));
  Bytes summed = addresses;
  summed.resize(addresses.size() + 8);
  store_be16(summed, addresses.size() + 2, message.size());
  summed.back() = IPPROTO_ICMPV6;
  append(summed, message);
  store_be16(message, 2, internet_checksum(summed));
  Bytes answer = {0x60, 0, 0, 0, 0, 0, IPPROTO_ICMPV6, 255};
  store_be16(answer, 4, message.size());
  append(answer, addresses);
  append(answer, message);
  return answer;
}

}  // namespace

Bytes refusal_of(ByteView frame) {
  const bool v4 = load_be16(frame, 2 * kMacBytes) == kEtherIpv4;
  const ByteView packet = frame.subspan(kEthernetHeader);
  Bytes answer(frame.begin() + kMacBytes, frame.begin() + 2 * kMacBytes);
  append(answer, Bytes{0x52, 0x55, 10, 0, 2, 2});  // libslirp's MAC of the gateway
  append(answer, frame.subspan(2 * kMacBytes, 2));
  append(answer, v4 ? icmp4(packet) : icmp6(packet));
  return answer;
}

}  // namespace bartizan::vmm::virtio
