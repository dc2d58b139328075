#include "guest/init/workload/workload.hpp"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest/init/system/mounts.hpp"
#include "guest/init/workload/hardening.hpp"

namespace bartizan::guest::init::workload {
namespace {

constexpr int kExecFailed = 127;
constexpr std::string_view kEntryPoint = "entry_point";   // reason of an error: exec refused it
constexpr uint32_t kMissing = 127, kNotExecutable = 126;  // as shells and podman have them

// What the child reports when it does not become the workload.
struct Complaint {
  int os_errno = 0;
  bool at_exec = false;  // the step was the exec itself
  char step[60] = {};
};

Error failed(const char* step) {
  return errno_error(errno, "guest/init/workload/workload", step);
}

Result<void> take_streams(const Streams& streams) {
  if (::setsid() < 0) return failed("setsid");
  for (int fd : {0, 1, 2}) {
    if (::dup2(fd == 0 ? streams.input() : streams.output(), fd) < 0) return failed("dup2");
  }
  if (streams.terminal() >= 0 && ::ioctl(streams.terminal(), TIOCSCTTY, 0) != 0)
    return failed("controlling terminal");
  return {};
}

void reset_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

Result<void> become(const ProcessConfig& config, const Credentials& who) {
  ::umask(022);
  TRY(drop_privileges());
  if (::setgroups(who.groups.size(), who.groups.data()) != 0) return failed("setgroups");
  if (::setresgid(who.group, who.group, who.group) != 0) return failed("setresgid");
  if (::setresuid(who.user, who.user, who.user) != 0) return failed("setresuid");
  if (::chdir(config.working_directory.c_str()) != 0) return failed("working directory");
  return {};
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

Error exec_failed() {
  Error error = failed("exec");
  error.reason = kEntryPoint;
  return error;
}

// Like execvp: a candidate without permission is remembered, the next one tried.
Result<void> execute(const ProcessConfig& config, const std::vector<std::string>& environment) {
  auto arguments = pointers(config.arguments), variables = pointers(environment);
  int worst = ENOENT;
  for (const std::string& path :
       program_candidates(config.arguments[0], environment_value(environment, "PATH"))) {
    ::execve(path.c_str(), arguments.data(), variables.data());
    if (errno == EACCES) worst = EACCES;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) return exec_failed();
  }
  errno = worst;
  return exec_failed();
}

[[noreturn]] void child(const ProcessConfig& config, const Credentials& who, const Streams& streams,
                        int complain) {
  reset_signals();  // first: PID 1's handlers must not run here
  auto attempt = [&]() -> Result<void> {
    auto environment = complete_environment(config, who.home);
    TRY(take_streams(streams));
    TRY(become(config, who));
    return execute(config, environment);
  };
  auto result = attempt();
  Complaint complaint;
  complaint.os_errno = result.error().os_errno;
  complaint.at_exec = result.error().reason == kEntryPoint;
  result.error().message.copy(complaint.step, sizeof complaint.step - 1);
  [[maybe_unused]] ssize_t told = ::write(complain, &complaint, sizeof complaint);
  ::_exit(kExecFailed);
}

Result<void> hear_complaint(int pipe, const ProcessConfig& config) {
  Complaint complaint;
  ssize_t count;
  do {
    count = ::read(pipe, &complaint, sizeof complaint);
  } while (count < 0 && errno == EINTR);
  if (count == 0) return {};  // closed by a successful exec
  if (count != sizeof complaint) return failed("start");
  Error error = errno_error(complaint.os_errno, "guest/init/workload/workload",
                            fmt::format("{}: {}", config.arguments[0], complaint.step));
  if (complaint.at_exec) error.reason = kEntryPoint;
  return error;
}

Result<void> make_working_directory(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    TRY(system::make_folder(path.substr(0, slash)));
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

std::vector<std::string> program_candidates(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  for (;;) {
    size_t colon = path.find(':');
    std::string_view folder = path.substr(0, colon);
    candidates.push_back(folder.empty() ? "./" + program : fmt::format("{}/{}", folder, program));
    if (colon == std::string_view::npos) return candidates;
    path.remove_prefix(colon + 1);
  }
}

int forwarded_signal(uint8_t from_host, int stop_signal) {
  if (from_host == 0 || from_host >= NSIG) return 0;
  return from_host == SIGTERM ? stop_signal : from_host;
}

uint32_t exit_status_of_failure(const Error& error) {
  if (error.reason != kEntryPoint) return 0;
  return error.os_errno == ENOENT || error.os_errno == ENOTDIR ? kMissing : kNotExecutable;
}

Result<pid_t> start_workload(const ProcessConfig& config, const Credentials& who,
                             const Streams& streams) {
  sigset_t child_ended;
  ::sigemptyset(&child_ended);
  ::sigaddset(&child_ended, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &child_ended, nullptr);
  TRY(make_working_directory(config.working_directory));
  TRY(streams.give_to(who.user, who.group));
  Pipe complaint = TRY(make_pipe());
  pid_t pid = ::fork();
  if (pid < 0) return errno_error(errno, "guest/init/workload/workload", "fork");
  if (pid == 0) child(config, who, streams, complaint.write.get());
  complaint.write.reset();
  TRY(hear_complaint(complaint.read.get(), config));
  return pid;
}

}  // namespace bartizan::guest::init::workload
