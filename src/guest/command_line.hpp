// The words on the kernel command line that init obeys. The line is part of the launch measurement,
// so whoever changes it changes what the broker sees.
#pragma once

#include <string_view>

namespace bartizan::guest {

struct CommandLine {
  bool key_from_caller =
      false;  // "bartizan.key=caller": the passphrase comes over vsock, in the clear
};

// Words are separated by white space and compared whole; unknown ones belong to the kernel.
CommandLine parse_command_line(std::string_view text);

}  // namespace bartizan::guest
