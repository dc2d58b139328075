// The texts with structure on the command line. invalid_argument names the option and the text.
#pragma once

#include <string>
#include <vector>

#include "bartizan/machine.hpp"

namespace bartizan::cli {

struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

Result<Endpoint> parse_endpoint(const std::string& text);      // "ADDRESS:PORT", "[IPV6]:PORT"
Result<PublishedPort> parse_publish(const std::string& text);  // "[ADDRESS:]HOST:GUEST"
Result<VsockPort> parse_vsock(const std::string& text, bool listen);       // "PORT=PATH"
Result<uint64_t> parse_size(const char* option, const std::string& text);  // "512M", "1G", bytes

// Any number of bytes, at least one.
Result<std::vector<uint8_t>> parse_hex(const char* option, const std::string& text);

// What is measured, the same options for `measure`, `register` and `run`. 0 and "": from the image,
// or the default.
struct LaunchArguments {
  std::string tee = "simulated";
  std::string bundle;
  uint32_t vcpus = 0;
  uint32_t ram_mib = 0;
  std::string append_cmdline;
  uint64_t guest_features = 0;
};

}  // namespace bartizan::cli
