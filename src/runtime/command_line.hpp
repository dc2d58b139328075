// The command line of an OCI runtime (opencontainers/runtime-tools, command-line-interface), as
// podman, containerd and CRI-O call it: `bartizan-runtime [GLOBAL…] COMMAND [OPTION…] [ID]`.
//
// Words that are ours (--oci-runtime, --config before the command) are taken out; all others keep
// their order, because they are the stock runtime's, whose own parser judges them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan::runtime {

struct RuntimeCommand {
  std::vector<std::string> global;     // the stock runtime's, as they were written
  std::string command;                 // empty: none (--version, --help)
  std::vector<std::string> arguments;  // what follows the command, as it was written

  std::string oci_runtime;  // --oci-runtime; empty: not given
  std::string settings;     // --config before the command; empty: not given

  // Read, and passed on. The last three of commands that start or enter a container.
  std::filesystem::path log;     // --log: where an engine looks for errors
  bool log_json = false;         // --log-format json
  std::filesystem::path bundle;  // -b, --bundle; empty: working folder
  std::string config;            // crun's -f, --config; empty: config.json
  std::string id;                // the first word after the command that is no option

  // A command that starts a container from a bundle: create, run, restore.
  bool starts_container() const;
  // A command that reaches into a container that runs: exec, checkpoint.
  bool enters_container() const;
  // What the stock runtime is called with, without its own name.
  std::vector<std::string> stock_arguments() const;
};

// invalid_argument: an option without its value.
Result<RuntimeCommand> parse_command_line(const std::vector<std::string>& words);

}  // namespace bartizan::runtime
