#include "base/endpoint.hpp"

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

bool is_v6_address(std::string_view text) {
  return consists_of(text, "0123456789abcdefABCDEF:.");
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
  if (!(v6 ? is_v6_address(rest) : is_name(rest)) || !is_port(endpoint.port)) return refusal();
  endpoint.host = rest;
  return endpoint;
}

bool Endpoint::is_loopback() const {
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") ||
         host == "0.0.0.0" || host == "::1" || host == "::";
}

}  // namespace bartizan
