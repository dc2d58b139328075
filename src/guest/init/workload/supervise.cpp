#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/errors.hpp"
#include "guest/init/workload/workload.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr size_t kBytesPerRead = 64;

Result<UniqueFd> open_child_events() {
  sigset_t child_ended;
  ::sigemptyset(&child_ended);
  ::sigaddset(&child_ended, SIGCHLD);
  UniqueFd events(::signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!events.valid()) return errno_error(errno, "guest/init/workload/workload", "signalfd");
  return events;
}

WorkloadEnd end_of(int status) {
  if (WIFSIGNALED(status)) return {ExitKind::signal, static_cast<uint32_t>(WTERMSIG(status))};
  return {ExitKind::exit_code, static_cast<uint32_t>(WEXITSTATUS(status))};
}

// Reaps all that ended, orphans too; the workload's own end, if it was among them.
std::optional<WorkloadEnd> reap(pid_t workload) {
  std::optional<WorkloadEnd> end;
  int status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == workload) end = end_of(status);
  }
  return end;
}

// To the workload's process group; to itself alone where it has left that group.
void send_signal(pid_t workload, int signal) {
  if (signal == 0) return;
  if (::kill(-workload, signal) != 0) ::kill(workload, signal);
}

// How many bytes of `message` were one order: a signal, or a terminal's size. 0: more have to come.
size_t obey(const Supervision& supervision, ByteView message) {
  if (message.empty()) return 0;
  if (message[0] != guest_abi::kTerminalSizeMark) {
    if (supervision.any_signal || message[0] == SIGTERM)
      send_signal(supervision.workload, forwarded_signal(message[0], supervision.stop_signal));
    return 1;
  }
  if (message.size() < guest_abi::kTerminalSizeBytes) return 0;
  supervision.streams.resize(
      {load_le<uint16_t>(message.data() + 1), load_le<uint16_t>(message.data() + 3)});
  return guest_abi::kTerminalSizeBytes;
}

// `held` is the beginning of an order that has not come whole.
void obey_host(Supervision* supervision, Bytes* held) {
  uint8_t bytes[kBytesPerRead];
  ssize_t count = ::read(supervision->signals.get(), bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return;
  if (count <= 0) return supervision->signals.reset();  // the host hung up; the workload goes on
  held->insert(held->end(), bytes, bytes + count);
  while (size_t done = obey(*supervision, *held))
    held->erase(held->begin(), held->begin() + static_cast<ptrdiff_t>(done));
}

void drain(int child_events) {
  signalfd_siginfo info;
  while (::read(child_events, &info, sizeof info) == sizeof info) {
  }
}

}  // namespace

Result<WorkloadEnd> supervise(Supervision supervision) {
  UniqueFd child_events = TRY(open_child_events());
  Bytes held;
  supervision.streams.started();
  // The workload may have ended before the signal was watched.
  auto end = reap(supervision.workload);
  while (!end) {
    std::array<pollfd, Streams::kCount> streams = supervision.streams.wanted();
    std::array<pollfd, 3 + Streams::kCount> polls = {{{child_events.get(), POLLIN, 0},
                                                      {supervision.event_fd, POLLIN, 0},
                                                      {supervision.signals.get(), POLLIN, 0}}};
    std::copy(streams.begin(), streams.end(), polls.begin() + 3);
    if (::poll(polls.data(), polls.size(), supervision.listening.wait_ms()) < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "guest/init/workload/workload", "poll");
    }
    if (polls[0].revents != 0) drain(child_events.get());
    if (polls[1].revents != 0) TRY(supervision.check());
    if (polls[2].revents != 0) obey_host(&supervision, &held);
    std::copy(polls.begin() + 3, polls.end(), streams.begin());
    supervision.streams.step(streams);
    supervision.listening.look();
    end = reap(supervision.workload);
  }
  if (::getpid() == 1)
    ::kill(-1, SIGKILL);  // everywhere else that would be somebody else's machine
  supervision.streams.finish();
  TRY(supervision.check());
  return *end;
}

}  // namespace bartizan::guest::init::workload
