// Endpoint: where a broker is, as an image, a guest and a command line name it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"

namespace bartizan {

// "https://host:port", host a name, an IPv4 address or an IPv6 address in brackets.
constexpr size_t kMaxBrokerUrl = 512;
struct Endpoint {
  std::string url, host, port;
  // invalid_argument: another scheme; a user, a path, a query or a fragment (one "/" at the end is
  // left out); no port from 1 to 65535; a byte that no host name has; more than kMaxBrokerUrl.
  static Result<Endpoint> parse(std::string_view url);

  // Of whoever connects: a loopback address or name, or "any address".
  bool is_loopback() const;
};

// "127.0.0.1:80", "[::1]:80".
std::string address_text(const std::string& address, uint16_t port);

}  // namespace bartizan
