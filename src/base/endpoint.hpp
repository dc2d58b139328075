// Endpoint: where a broker is, as an image, a guest and a command line name it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan {

// "https://host:port", host a name, an IPv4 address or an IPv6 address in brackets.
constexpr size_t kMaxBrokerUrl = 512;
struct Endpoint {
  std::string url, host, port;
  // invalid_argument: another scheme; a user, a path, a query or a fragment (one "/" at the end is
  // left out); no port from 1 to 65535; a byte that no host name has; more than kMaxBrokerUrl; an
  // IPv4 address in a spelling that only some resolvers take ("0x7f000001", "127.1"); a name with a
  // "." at its end, which no certificate has. A name is lower case afterwards.
  static Result<Endpoint> parse(std::string_view url);

  // 4 or 16 bytes of a literal address, 4 for IPv4 within IPv6 (RFC 4291 §2.5.5.2); of a name:
  // nothing.
  std::vector<uint8_t> address() const;

  // Of whoever connects: a loopback address or name, or "any address".
  bool is_loopback() const;
};

// "127.0.0.1:80", "[::1]:80".
std::string address_text(const std::string& address, uint16_t port);

}  // namespace bartizan
