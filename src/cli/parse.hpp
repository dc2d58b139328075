// The texts with structure on the command line. invalid_argument names the option and the text.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bartizan/machine.hpp"
#include "base/errors.hpp"

namespace bartizan::cli {

// invalid_argument: `<option>: "<text>" is not <form>`.
Error invalid_value(std::string_view option, std::string_view text, std::string_view form);

// A word that the library takes or refuses: a refusal is one of the command line.
template <typename Value>
Result<Value> as_word(std::string_view option, Result<Value> parsed) {
  if (parsed.ok()) return parsed;
  return invalid("cli", "{}: {}", option, parsed.error().message);
}

// An option that was given, and whether it counts here.
struct Meaning {
  bool given;
  const char* option;
  bool meant;
  const char* where;  // it counts
};
// What would change nothing is a misunderstanding: better said than ignored. invalid_argument:
// `<before><option>: changes nothing <place>: it counts <where>`.
Result<void> check_meanings(std::string_view before, std::string_view place,
                            std::span<const Meaning> options);

struct HostPort {
  std::string address;
  uint16_t port = 0;
};

Result<HostPort> parse_endpoint(const std::string& text);      // "ADDRESS:PORT", "[IPV6]:PORT"
Result<PublishedPort> parse_publish(const std::string& text);  // "[ADDRESS:]HOST:GUEST[/udp]"
std::string describe(const PublishedPort& port);               // "[::1]:8080 -> guest port 80/udp"
// Of "auto" or "ADDRESS:auto"; absent: it is neither.
std::optional<std::string> publish_auto_address(const std::string& text);
Result<VsockPort> parse_vsock(const std::string& text, bool listen);       // "PORT=PATH"
Result<uint64_t> parse_size(const char* option, const std::string& text);  // "512M", "1G", bytes
Result<int64_t> parse_seconds(const char* option, const std::string& text);
// A time after the start of 1970, in seconds since then: "2026-11-30", "2026-11-30T12:00:00Z".
Result<int64_t> parse_date(const char* option, const std::string& text);

// Any number of bytes, at least one; or as many as `size`, if that is not 0.
Result<std::vector<uint8_t>> parse_hex(const char* option, const std::string& text,
                                       size_t size = 0);

}  // namespace bartizan::cli
