// Egress: which frames of a guest the user-mode network may see. libslirp connects to whatever
// address a frame names, on the host's behalf: the host's loopback, its link-local neighbours and
// its cloud's metadata service trust that host, and must not meet a guest instead.
//
// A source that is not the guest's own address is dropped: nobody else is behind this device. Only
// what opens a flow is judged by its destination; what answers one that was opened from
// outside (a published port) passes. Pure functions of the frame and of what was heard before.
//
// What libslirp does not handle well never reaches it: fragments of IPv4 (the reassembly of 4.7.0
// writes to where the guest's bytes say), ICMPv6 to the outside (a line on stderr for each), its
// own BOOTP, TFTP and DHCPv6.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::vmm::virtio {

// Destinations that a guest reaches only if it is allowed to.
enum class Reserved : uint8_t { loopback, metadata };

struct EgressRule {
  Reserved where = Reserved::loopback;
  uint16_t port = 0;  // 0: all, and ICMP
};

// "loopback", "loopback:8443", "metadata", "metadata:80". invalid_argument names the forms.
Result<EgressRule> parse_egress_rule(const std::string& text);

// Where an address leads, 4 or 16 bytes, if the guest connects to it.
enum class Destination : uint8_t {
  outside,
  gateway,   // the host's loopback, where that is allowed
  metadata,  // link-local, and metadata services elsewhere
  nowhere,   // the guest itself, its own network, multicast, reserved
};
Destination destination_of(ByteView address);

struct Verdict {
  enum class Kind : uint8_t { pass, drop, refuse };  // refuse: drop, and say so to the guest
  Kind kind = Kind::pass;
  bool opens_flow = false;           // or may do
  std::optional<Reserved> reserved;  // refused because of this
  std::string destination;           // of a refusal: "10.0.2.2 port 5432"
  bool fragment = false;             // dropped because it is one
};

class Egress {
 public:
  explicit Egress(std::vector<EgressRule> rules = {}) : rules_(std::move(rules)) {}

  Verdict judge(ByteView frame) const;

  // ARP and neighbour discovery.
  static bool is_neighbour_message(ByteView frame);

  // A frame to the guest: datagrams may answer it, also to the host's loopback.
  void heard(ByteView frame);

  // A UDP port of the guest. From there it sends with the published address of the host as its
  // own, which is the loopback's perhaps, and so to those alone that sent to it before.
  void publish_datagrams(uint16_t guest_port) { answering_.insert(guest_port); }
  void withdraw_datagrams(uint16_t guest_port);

 private:
  struct Packet;
  struct Peer {
    Bytes address;  // 4 or 16
    uint16_t guest_port = 0, peer_port = 0;
    bool operator==(const Peer&) const = default;
  };
  static std::optional<Packet> parse(ByteView frame);
  static std::optional<Packet> parse4(ByteView packet);
  static std::optional<Packet> parse6(ByteView packet);
  Verdict judge_reserved(const Packet& packet, Reserved where) const;
  bool is_answer(const Packet& packet) const;
  bool must_answer(const Packet& packet) const;
  static bool is_libslirps(const Packet& packet);
  bool allowed(const Packet& packet, Reserved where) const;

  std::vector<EgressRule> rules_;
  std::multiset<uint16_t> answering_;  // ports that were published for datagrams
  // That sent datagrams from the gateway's address or to such a port, the latest last.
  std::deque<Peer> peers_;
};

// ICMP "administratively prohibited" in answer to a frame from `gateway_mac` (RFC 792, RFC 1812
// §5.2.7.1; RFC 4443 §3.1). Empty for what must not be answered.
Bytes refusal_of(ByteView frame);

}  // namespace bartizan::vmm::virtio
