#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "base/errors.hpp"
#include "guest/init/workload/workload.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr size_t kSignalsPerRead = 64;

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

void forward_signals(Supervision* supervision) {
  uint8_t bytes[kSignalsPerRead];
  ssize_t count = ::read(supervision->signals.get(), bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return;
  if (count <= 0) return supervision->signals.reset();  // the host hung up; the workload goes on
  for (ssize_t i = 0; i < count; ++i) {
    send_signal(supervision->workload, forwarded_signal(bytes[i], supervision->stop_signal));
  }
}

void drain(int child_events) {
  signalfd_siginfo info;
  while (::read(child_events, &info, sizeof info) == sizeof info) {
  }
}

}  // namespace

Result<WorkloadEnd> supervise(Supervision supervision) {
  UniqueFd child_events = TRY(open_child_events());
  // The workload may have ended before the signal was watched.
  auto end = reap(supervision.workload);
  while (!end) {
    pollfd polls[] = {{child_events.get(), POLLIN, 0},
                      {supervision.event_fd, POLLIN, 0},
                      {supervision.signals.get(), POLLIN, 0},
                      supervision.input.wanted()};
    if (::poll(polls, std::size(polls), -1) < 0 && errno != EINTR)
      return errno_error(errno, "guest/init/workload/workload", "poll");
    if (polls[0].revents != 0) drain(child_events.get());
    if (polls[1].revents != 0) TRY(supervision.check());
    if (polls[2].revents != 0) forward_signals(&supervision);
    if (polls[3].revents != 0) supervision.input.step();
    end = reap(supervision.workload);
  }
  if (::getpid() == 1)
    ::kill(-1, SIGKILL);  // everywhere else that would be somebody else's machine
  TRY(supervision.check());
  return *end;
}

}  // namespace bartizan::guest::init::workload
