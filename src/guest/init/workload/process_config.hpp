// The workload as the OCI image config describes it (image-spec config.md, "config" member), and
// whom it runs as. Pure: texts in, values out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"
#include "base/units.hpp"

namespace bartizan::guest::init::workload {

// Larger comes from a broken builder; the guest would hold it in memory several times.
constexpr uint64_t kMaxProcessConfigBytes = kMiB;
// The kernel's own limit for one argument list is 2 MiB; this many words is far beyond any real
// image.
constexpr size_t kMaxWords = 4096;

struct ProcessConfig {
  std::vector<std::string> arguments;    // Entrypoint, then Cmd; never empty
  std::vector<std::string> environment;  // "NAME=value", image's order
  std::string user;                      // "", "1000", "web", "web:www" …
  std::string working_directory = "/";   // absolute
  int stop_signal = 15;                  // what a request to stop becomes
};

// corrupt for a malformed config, invalid_argument if it names nothing to run.
Result<ProcessConfig> parse_process_config(std::string_view json);

// "SIGTERM", "TERM", "15", "SIGRTMIN+3" -> number; corrupt otherwise.
Result<int> signal_number(std::string_view name);

struct Credentials {
  uint32_t user = 0, group = 0;
  std::vector<uint32_t> groups;  // supplementary
  std::string home = "/";
};

// `passwd` and `group` are the image's files, empty when it has none. not_found if a name is in
// neither; a number need not be.
Result<Credentials> resolve_user(std::string_view user, std::string_view passwd,
                                 std::string_view group);

// The image's environment with PATH, HOME and TERM added where it does not set them.
std::vector<std::string> complete_environment(const ProcessConfig& config, std::string_view home);

// Value of NAME in "NAME=value" words; empty if absent.
std::string_view environment_value(const std::vector<std::string>& environment,
                                   std::string_view name);

}  // namespace bartizan::guest::init::workload
