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
  const bool full = ::write(write_.get(), &command, sizeof command) < 0;
  if (full && command.kind == Command::Kind::stop) {
    late_stop_->store(command.value);
    // The pipe may have been emptied meanwhile; whoever empties it later finds the stop.
    [[maybe_unused]] ssize_t put = ::write(write_.get(), &command, sizeof command);
  }
  errno = saved;
}

std::optional<Command> Commands::next() const {
  Command command;
  ssize_t got = ::read(read_.get(), &command, sizeof command);
  if (got == static_cast<ssize_t>(sizeof command)) return command;
  int64_t late = late_stop_->exchange(kNoStop);
  if (late == kNoStop) return std::nullopt;
  return Command{Command::Kind::stop, static_cast<uint32_t>(late)};
}

}  // namespace bartizan::vmm::machine
