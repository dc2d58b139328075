// The texts with structure on the command line. invalid_argument names the option and the text.
#pragma once

#include <string>
#include <vector>

#include "bartizan/machine.hpp"

namespace bartizan::cli {

// invalid_argument: `<option>: "<text>" is not <form>`.
Error invalid_value(std::string_view option, std::string_view text, std::string_view form);

struct HostPort {
  std::string address;
  uint16_t port = 0;
};

Result<HostPort> parse_endpoint(const std::string& text);      // "ADDRESS:PORT", "[IPV6]:PORT"
Result<PublishedPort> parse_publish(const std::string& text);  // "[ADDRESS:]HOST:GUEST"
Result<VsockPort> parse_vsock(const std::string& text, bool listen);       // "PORT=PATH"
Result<uint64_t> parse_size(const char* option, const std::string& text);  // "512M", "1G", bytes
Result<int64_t> parse_seconds(const char* option, const std::string& text);

// Any number of bytes, at least one; or as many as `size`, if that is not 0.
Result<std::vector<uint8_t>> parse_hex(const char* option, const std::string& text,
                                       size_t size = 0);

}  // namespace bartizan::cli
