// Endpoint: where a broker is, as an image, a guest and a command line name it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"

namespace bartizan {

// "https://host:port", host a name, an IPv4 address or an IPv6 address in brackets.
struct Endpoint {
  std::string url, host, port;
  // invalid_argument: another scheme; a user, a path, a query or a fragment (one "/" at the end is
  // left out); no port from 1 to 65535; a byte that no host name has.
  static Result<Endpoint> parse(std::string_view url);
};

// "127.0.0.1:80", "[::1]:80".
std::string address_text(const std::string& address, uint16_t port);

}  // namespace bartizan
