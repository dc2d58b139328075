// The words on the kernel command line that init obeys. The line is part of the launch measurement,
// so whoever changes it changes what the broker sees.
#pragma once

#include <string_view>

namespace bartizan::guest::init::system {

struct CommandLine {
  // "bartizan.key=caller": the disk key comes over vsock, in the clear
  bool key_from_caller = false;
};

// Words are separated by white space and compared whole; unknown ones belong to the kernel.
CommandLine parse_command_line(std::string_view text);

}  // namespace bartizan::guest::init::system
