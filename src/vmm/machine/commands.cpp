#include "vmm/machine/commands.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hpp"

namespace bartizan::vmm::machine {

Result<Commands> Commands::create() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error(errno, "machine", "pipe2");
  return Commands(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

void Commands::send(Command command) const {
  int saved = errno;  // a signal handler must not change it
  [[maybe_unused]] ssize_t put = ::write(write_.get(), &command, sizeof command);
  errno = saved;
}

std::optional<Command> Commands::next() const {
  Command command;
  ssize_t got = ::read(read_.get(), &command, sizeof command);
  if (got != static_cast<ssize_t>(sizeof command)) return std::nullopt;
  return command;
}

}  // namespace bartizan::vmm::machine
