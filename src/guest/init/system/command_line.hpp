// The words on the kernel command line that init obeys. The line is part of the launch measurement,
// so whoever changes it changes what the broker sees.
#pragma once

#include <string_view>

#include "bartizan/tee.hpp"

namespace bartizan::guest::init::system {

struct CommandLine {
  // "bartizan.key=caller": the disk key comes over vsock, in the clear
  bool key_from_caller = false;
  // "bartizan.tee=NAME": what this launch was planned for
  Tee tee = Tee::none;
};

// Words are separated by white space and compared whole; others belong to the kernel.
// verification_failed, reason "tee": the TEE's name is absent, given twice, or unknown.
Result<CommandLine> parse_command_line(std::string_view text);

}  // namespace bartizan::guest::init::system
