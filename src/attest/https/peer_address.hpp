// Addresses of peers: as texts, in groups that count as one peer, and in prefixes that an operator
// names.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"

struct sockaddr_storage;

namespace bartizan::attest::https {

// IPv4 as ::ffff:a.b.c.d, so that both ways to reach a socket are one address.
struct PeerAddress {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const PeerAddress&) const = default;

  bool is_v4() const;
  std::string text() const;  // "192.0.2.1", "2001:db8::1"
  // What limits count as one: an IPv4 address, the /64 of an IPv6 address (which is what one host
  // has at least).
  PeerAddress group() const;
};

// Nothing: no address of IPv4 or IPv6. A zone ("%eth0") is none.
std::optional<PeerAddress> parse_peer_address(std::string_view text);
PeerAddress peer_address_of(const sockaddr_storage& address);
// The group of an address in text; of anything else the text itself.
std::string group_of(const std::string& address);

struct AddressPrefix {
  PeerAddress address;
  int bits = 128;  // of the 16 bytes
  bool contains(const PeerAddress& other) const;
};

// "10.0.0.0/8", "fd00::/8", "192.0.2.1". invalid_argument names the text.
Result<AddressPrefix> parse_address_prefix(std::string_view text);

}  // namespace bartizan::attest::https
