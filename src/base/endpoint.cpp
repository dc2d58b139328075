#include "base/endpoint.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr std::string_view kScheme = "https://";

bool consists_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == text.npos;
}

bool is_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool is_name(std::string_view text) {
  return consists_of(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
}

std::vector<uint8_t> parse_address(int family, const std::string& text) {
  std::vector<uint8_t> bytes(family == AF_INET ? 4 : 16);
  if (::inet_pton(family, text.c_str(), bytes.data()) != 1) bytes.clear();
  return bytes;
}

// RFC 1123 §2.1: the last label of a name has a letter first, so that none looks like an address.
// inet_aton(3), which resolvers ask before they take a text for a name, knows shorter addresses,
// octal and hexadecimal ones.
bool looks_like_address(const std::string& name) {
  in_addr ignored{};
  return ::inet_aton(name.c_str(), &ignored) == 1;
}

void to_lower(std::string& text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
}

}  // namespace

std::string address_text(const std::string& address, uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port);
}

Result<Endpoint> Endpoint::parse(std::string_view url) {
  // The message does not repeat a password.
  if (url.find('@') != url.npos)
    return invalid("url", "has a user or a password in it: not https://HOST[:PORT]");
  const auto refusal = [&] {
    return invalid("url", "\"{}\" is not https://HOST[:PORT]", url.substr(0, kMaxBrokerUrl));
  };
  if (!url.starts_with(kScheme) || url.size() > kMaxBrokerUrl) return refusal();
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  Endpoint endpoint{std::string(kScheme) + std::string(rest), {}, "443"};
  const size_t colon = rest.rfind(':'), bracket = rest.rfind(']');
  if (colon != rest.npos && (bracket == rest.npos || colon > bracket)) {
    endpoint.port = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  const bool v6 = rest.size() > 2 && rest.starts_with('[') && rest.ends_with(']');
  if (v6) rest = rest.substr(1, rest.size() - 2);
  endpoint.host = rest;
  const bool good = v6 ? !parse_address(AF_INET6, endpoint.host).empty() : is_name(rest);
  if (!good || !is_port(endpoint.port)) return refusal();
  to_lower(endpoint.host);
  if (!v6 && looks_like_address(endpoint.host) && endpoint.address().empty())
    return invalid("url", "\"{}\": write the IPv4 address as four decimal numbers", url);
  if (endpoint.host.ends_with('.'))
    return invalid("url", "\"{}\": write the name without the \".\" at its end", url);
  return endpoint;
}

std::vector<uint8_t> Endpoint::address() const {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (host.find(':') == host.npos) return parse_address(AF_INET, host);
  auto bytes = parse_address(AF_INET6, host);
  if (bytes.size() == 16 && std::equal(std::begin(kMapped), std::end(kMapped), bytes.begin()))
    bytes.erase(bytes.begin(), bytes.begin() + sizeof kMapped);
  return bytes;
}

bool Endpoint::is_loopback() const {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  const auto bytes = address();
  if (bytes.size() == 4) return bytes[0] == 127 || bytes[0] == 0;
  // :: and ::1
  return bytes.size() == 16 && bytes[15] <= 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](uint8_t byte) { return byte == 0; });
}

}  // namespace bartizan
