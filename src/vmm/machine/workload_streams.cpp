#include "vmm/machine/workload_streams.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/bytes.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest_abi/boot_stages.hpp"
#include "vmm/machine/stream_pair.hpp"

namespace bartizan::vmm::machine {
namespace {

bool is_terminal(const UniqueFd& fd) {
  return fd.valid() && ::isatty(fd.get()) == 1;
}

bool has_own_flags_when_opened_again(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
}

// The same pipe or terminal with flags of its own, so that writing to it never blocks while others
// who hold it (a shell) see no change. What cannot be opened again is written with care: see Pump.
// Early: a confined thread opens nothing.
UniqueFd own_output(UniqueFd fd) {
  if (!fd.valid() || !has_own_flags_when_opened_again(fd.get())) return fd;
  UniqueFd again(::open(fmt::format("/proc/self/fd/{}", fd.get()).c_str(),
                        O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  return again.valid() ? std::move(again) : std::move(fd);
}

}  // namespace

WorkloadStreams::WorkloadStreams(EventLoop& loop, UniqueFd input, UniqueFd output, LogSink log)
    : log_(std::move(log)),
      input_(std::move(input)),
      output_(own_output(std::move(output))),
      input_is_terminal_(is_terminal(input_)),
      output_is_terminal_(is_terminal(output_)),
      to_guest_(loop),
      from_guest_(loop),
      to_terminal_(loop),
      from_terminal_(loop) {
  // Without one more descriptor the guest's terminal has no size, which is no reason not to launch.
  if (!input_is_terminal_ && !output_is_terminal_) return;
  auto copy = duplicate_fd(input_is_terminal_ ? input_.get() : output_.get(), "terminal");
  if (copy.ok()) size_of_ = output_is_terminal_ ? std::move(*copy) : own_output(std::move(*copy));
}

void WorkloadStreams::add_ports(const guest_abi::HostAccess& may,
                                std::map<uint32_t, virtio::Connect>& ports) {
  if (may.input && !input_is_terminal_)
    ports[guest_abi::kInputVsockPort] = [this](uint32_t) { return open_input(); };
  if (may.output && !output_is_terminal_ && output_.valid())
    ports[guest_abi::kOutputVsockPort] = [this](uint32_t) { return open_output(); };
  if ((may.input || may.output) && (input_is_terminal_ || output_is_terminal_))
    ports[guest_abi::kTerminalVsockPort] = [this](uint32_t) { return open_terminal(); };
}

std::optional<guest_abi::TerminalSize> WorkloadStreams::terminal_size() const {
  winsize size{};
  if (!size_of_.valid() || ::ioctl(size_of_.get(), TIOCGWINSZ, &size) != 0) return std::nullopt;
  return guest_abi::TerminalSize{size.ws_col, size.ws_row};
}

Result<UniqueFd> WorkloadStreams::open_input() {
  if (input_given_)
    return make_error(ErrorCode::invalid_state, "machine", "input: it has its reader");
  input_given_ = true;
  auto [ours, guests] = TRY(make_stream_pair());
  if (input_.valid()) to_guest_.start(std::move(input_), std::move(ours));
  return std::move(guests);  // otherwise ours closes: the end
}

Result<UniqueFd> WorkloadStreams::open_output() {
  if (!output_.valid())
    return make_error(ErrorCode::invalid_state, "machine", "output: it has its writer");
  auto [ours, guests] = TRY(make_stream_pair());
  from_guest_.start(std::move(ours), std::move(output_), [this] { report_loss(from_guest_); });
  return std::move(guests);
}

// The size first, so that the workload finds it there; then bytes, both ways.
Result<UniqueFd> WorkloadStreams::open_terminal() {
  if (terminal_given_)
    return make_error(ErrorCode::invalid_state, "machine", "terminal: it has its reader");
  terminal_given_ = true;
  auto [ours, guests] = TRY(make_stream_pair());
  UniqueFd out =
      output_is_terminal_ ? std::move(output_) : TRY(duplicate_fd(size_of_.get(), "terminal"));
  UniqueFd both = TRY(duplicate_fd(ours.get(), "terminal"));
  const auto size = terminal_size().value_or(guest_abi::TerminalSize{});
  uint8_t head[4];
  store_le<uint16_t>(head, size.columns);
  store_le<uint16_t>(head + 2, size.rows);
  [[maybe_unused]] ssize_t sent = ::send(ours.get(), head, sizeof head, MSG_NOSIGNAL);
  if (input_is_terminal_) to_terminal_.start(std::move(input_), std::move(both));
  // Both hold the stream: it closes, and the guest knows that all has arrived, when both let go.
  from_terminal_.start(std::move(ours), std::move(out), [this] {
    report_loss(from_terminal_);
    to_terminal_.stop();
  });
  return std::move(guests);
}

// The workload sees a broken pipe; the cause is here. A reader that has gone is none to report.
void WorkloadStreams::report_loss(const LoopPump& output) const {
  const int error = output.write_error();
  if (!log_ || error == 0 || error == EPIPE) return;
  log_(
      LogLevel::warning,
      errno_error(error, "machine", "the workload's output cannot be written: what follows is lost")
          .describe());
}

void WorkloadStreams::flush() {
  from_guest_.flush();
  from_terminal_.flush();
}

}  // namespace bartizan::vmm::machine
