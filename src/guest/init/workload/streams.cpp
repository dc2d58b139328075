#include "guest/init/workload/streams.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr char kOrigin[] = "guest/init/workload/streams";
constexpr gid_t kTerminalGroup = 5;  // "tty" everywhere

// For what a process that is beyond killing still holds open.
constexpr int kPatienceMs = 5'000;

Error stream_error(const char* what) {
  return errno_error(errno, kOrigin, what);
}

// Ours alone: the workload's end must block like any of a container.
Result<void> never_block(int fd) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return stream_error("fcntl");
  return {};
}

// Raw: bytes pass as they are; the caller's terminal has the line discipline.
Result<void> make_raw(int terminal) {
  termios settings{};
  if (::tcgetattr(terminal, &settings) != 0) return stream_error("tcgetattr");
  ::cfmakeraw(&settings);
  settings.c_cflag |= CREAD | CLOCAL;
  if (::tcsetattr(terminal, TCSANOW, &settings) != 0) return stream_error("tcsetattr");
  return {};
}

void wait_for_host(int stream) {
  ::shutdown(stream, SHUT_WR);
  char ignored[256];
  for (;;) {
    ssize_t count = ::recv(stream, ignored, sizeof ignored, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
  }
}

}  // namespace

Result<Streams> Streams::open(HostStreams host) {
  Streams streams;
  streams.null_ = TRY(open_file("/dev/null", O_RDWR));
  if (host.input.valid()) TRY(streams.open_input(std::move(host.input)));
  if (host.output.valid()) TRY(streams.open_output(std::move(host.output)));
  if (host.terminal.valid()) TRY(streams.open_terminal(std::move(host.terminal), host.size));
  return streams;
}

Result<void> Streams::open_input(UniqueFd host) {
  Pipe pipe = TRY(make_pipe());
  TRY(never_block(pipe.write.get()));
  input_ = std::move(pipe.read);
  pumps_[kIn] = Pump(std::move(host), std::move(pipe.write));
  return {};
}

Result<void> Streams::open_output(UniqueFd host) {
  Pipe pipe = TRY(make_pipe());
  output_ = std::move(pipe.write);
  to_host_[0] = TRY(duplicate_fd(host.get(), "stream"));
  pumps_[kOut] = Pump(std::move(pipe.read), std::move(host));
  return {};
}

Result<void> Streams::open_terminal(UniqueFd host, guest_abi::TerminalSize size) {
  master_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master_.valid() || ::unlockpt(master_.get()) != 0) return stream_error("pseudo-terminal");
  terminal_.reset(::ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal_.valid()) return stream_error("pseudo-terminal's other end");
  TRY(make_raw(terminal_.get()));
  resize(size);
  to_host_[1] = TRY(duplicate_fd(host.get(), "stream"));
  pumps_[kTerminalIn] =
      Pump(TRY(duplicate_fd(host.get(), "stream")), TRY(duplicate_fd(master_.get(), "terminal")));
  pumps_[kTerminalOut] = Pump(TRY(duplicate_fd(master_.get(), "terminal")), std::move(host));
  return {};
}

int Streams::input() const {
  return input_.valid() ? input_.get() : terminal_.valid() ? terminal_.get() : null_.get();
}

int Streams::output() const {
  return output_.valid() ? output_.get() : terminal_.valid() ? terminal_.get() : null_.get();
}

Result<void> Streams::give_to(uint32_t user, uint32_t group) const {
  if (terminal_.valid() && ::fchown(terminal_.get(), user, kTerminalGroup) != 0)
    return stream_error("fchown terminal");
  for (const UniqueFd* pipe : {&input_, &output_}) {
    if (pipe->valid() && ::fchown(pipe->get(), user, group) != 0)
      return stream_error("fchown pipe");
  }
  return {};
}

// The terminal stays: one that nobody has open reads as its end.
void Streams::started() {
  input_.reset();
  output_.reset();
  null_.reset();
}

std::array<pollfd, Streams::kCount> Streams::wanted() const {
  std::array<pollfd, kCount> wanted;
  for (size_t i = 0; i < kCount; ++i) wanted[i] = pumps_[i].wanted();
  return wanted;
}

void Streams::step(const std::array<pollfd, kCount>& ready) {
  for (size_t i = 0; i < kCount; ++i) {
    if (ready[i].revents != 0) pumps_[i].step();
  }
}

void Streams::resize(guest_abi::TerminalSize size) const {
  winsize window{};
  window.ws_col = size.columns;
  window.ws_row = size.rows;
  if (master_.valid()) ::ioctl(master_.get(), TIOCSWINSZ, &window);
}

void Streams::finish() {
  started();
  terminal_.reset();
  pumps_[kIn] = {};
  pumps_[kTerminalIn] = {};
  while (!drained()) {
    auto polls = wanted();
    bool host_has_to_read = false;
    for (const pollfd& wish : polls) host_has_to_read |= wish.events == POLLOUT;
    if (::poll(polls.data(), polls.size(), host_has_to_read ? -1 : kPatienceMs) == 0) break;
    step(polls);
  }
  for (const UniqueFd& stream : to_host_) {
    if (stream.valid()) wait_for_host(stream.get());
  }
}

}  // namespace bartizan::guest::init::workload
