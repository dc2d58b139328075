#include "cli/parse.hpp"

#include <arpa/inet.h>

#include <cctype>
#include <charconv>
#include <limits>

#include "base/bytes.hpp"
#include "base/endpoint.hpp"
#include "base/errors.hpp"
#include "base/timestamp.hpp"

namespace bartizan::cli {

namespace {

template <typename Number>
bool parse_number(std::string_view text, Number* to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *to);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool is_address(const std::string& text) {
  in6_addr any{};
  return ::inet_pton(AF_INET, text.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &any) == 1;
}

// Splits at the last colon; brackets around an IPv6 address are dropped.
bool split_address(std::string_view text, std::string* address, std::string_view* rest) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view before = text.substr(0, colon);
  if (before.size() >= 2 && before.front() == '[' && before.back() == ']')
    before = before.substr(1, before.size() - 2);
  *address = before;
  *rest = text.substr(colon + 1);
  return true;
}

}  // namespace

Error invalid_value(std::string_view option, std::string_view text, std::string_view form) {
  return invalid("cli", "{}: \"{}\" is not {}", option, text, form);
}

Result<void> check_meanings(std::string_view before, std::string_view place,
                            std::span<const Meaning> options) {
  for (const auto& [given, option, meant, where] : options)
    if (given && !meant)
      return invalid("cli", "{}{}: changes nothing {}: it counts {}", before, option, place, where);
  return {};
}

Result<HostPort> parse_endpoint(const std::string& text) {
  HostPort endpoint;
  std::string_view port;
  if (!split_address(text, &endpoint.address, &port) || endpoint.address.empty() ||
      !parse_number(port, &endpoint.port))
    return invalid_value("--listen", text, "ADDRESS:PORT");
  return endpoint;
}

Result<PublishedPort> parse_publish(const std::string& text) {
  static constexpr const char* kForm = "[ADDRESS:]HOST_PORT:GUEST_PORT[/tcp|/udp] or auto";
  PublishedPort port;
  std::string ports = text, before;
  if (const size_t slash = text.find('/'); slash != text.npos) {
    auto protocol = port_protocol_from_string(std::string_view(text).substr(slash + 1));
    if (!protocol.ok()) return invalid_value("--publish", text, kForm);
    port.protocol = *protocol;
    ports.resize(slash);
  }
  std::string_view guest;
  if (!split_address(ports, &before, &guest) || !parse_number(guest, &port.guest_port) ||
      port.guest_port == 0)
    return invalid_value("--publish", text, kForm);
  std::string address;
  std::string_view host = before;
  if (split_address(before, &address, &host)) port.host_address = address;
  if (!port.host_address.empty() && !is_address(port.host_address))
    return invalid_value("--publish", text, kForm);
  if (!parse_number(host, &port.host_port)) return invalid_value("--publish", text, kForm);
  return port;
}

std::string describe(const PublishedPort& port) {
  return fmt::format("{} -> guest port {}{}", address_text(port.host_address, port.host_port),
                     port.guest_port, port.protocol == PortProtocol::udp ? "/udp" : "");
}

std::optional<std::string> publish_auto_address(const std::string& text) {
  std::string address;
  std::string_view port;
  if (text == "auto") return "127.0.0.1";
  if (split_address(text, &address, &port) && port == "auto") return address;
  return std::nullopt;
}

Result<VsockPort> parse_vsock(const std::string& text, bool listen) {
  VsockPort port;
  port.listen = listen;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size() ||
      !parse_number(std::string_view(text).substr(0, equals), &port.port))
    return invalid_value(listen ? "--vsock-listen" : "--vsock", text, "PORT=PATH");
  port.path = text.substr(equals + 1);
  return port;
}

Result<std::vector<uint8_t>> parse_hex(const char* option, const std::string& text, size_t size) {
  auto bytes = from_hex(text);
  if (bytes.ok() && !bytes->empty() && (size == 0 || bytes->size() == size)) return bytes;
  return invalid_value(
      option, text,
      size == 0 ? "bytes in hexadecimal" : fmt::format("{} bytes in hexadecimal", size));
}

Result<uint64_t> parse_size(const char* option, const std::string& text) {
  static constexpr std::string_view kUnits = "KMGT";
  std::string_view digits = text;
  unsigned shift = 0;
  if (!digits.empty()) {
    const size_t unit = kUnits.find(static_cast<char>(std::toupper(digits.back())));
    if (unit != kUnits.npos) shift = 10 * static_cast<unsigned>(unit + 1), digits.remove_suffix(1);
  }
  uint64_t number = 0;
  if (!parse_number(digits, &number) || number > std::numeric_limits<uint64_t>::max() >> shift)
    return invalid_value(option, text, "a size like 64M or 1G");
  return number << shift;
}

Result<int64_t> parse_seconds(const char* option, const std::string& text) {
  int64_t seconds = 0;
  if (!parse_number(text, &seconds)) return invalid_value(option, text, "a number of seconds");
  return seconds;
}

Result<int64_t> parse_date(const char* option, const std::string& text) {
  constexpr size_t kDayDigits = 10;
  const auto seconds = parse_rfc3339(text.size() == kDayDigits ? text + "T00:00:00Z" : text);
  if (seconds && *seconds > 0) return *seconds;
  return invalid_value(option, text, "a date such as 2026-11-30 or 2026-11-30T12:00:00Z");
}

}  // namespace bartizan::cli
