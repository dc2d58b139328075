#include "vmm/machine/commands.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::vmm::machine {

Result<Commands> Commands::create() {
  Pipe pipe = TRY(make_pipe(O_NONBLOCK));
  return Commands(std::move(pipe.read), std::move(pipe.write));
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
