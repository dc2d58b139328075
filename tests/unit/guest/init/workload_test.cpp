// A real child process, started and watched as in a guest: on a pseudo-terminal, with /bin/sh as
// the workload.
#include "guest/init/workload/workload.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/bytes.hpp"
#include "base/errors.hpp"

namespace bartizan::guest::init {
namespace {

class WorkloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "dropping capabilities needs root";
    ASSERT_EQ(::sigprocmask(SIG_SETMASK, nullptr, &mask_), 0);
    int host = -1, guest = -1;
    ASSERT_EQ(::openpty(&host, &guest, nullptr, nullptr, nullptr), 0);
    host_.reset(host);
    guest_.reset(guest);
    for (int fd : {host, guest}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  void TearDown() override {
    if (guest_.valid()) ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }

  static workload::ProcessConfig shell(const std::string& script) {
    workload::ProcessConfig config;
    config.arguments = {"sh", "-c", script};
    config.environment = {"PATH=/nowhere:/bin:/usr/bin", "GREETING=hello"};
    return config;
  }

  Result<pid_t> start(const workload::ProcessConfig& config, const workload::Credentials& who = {},
                      int input = -1) {
    return workload::start_workload(config, who, guest_.get(), input);
  }

  Result<workload::WorkloadEnd> watch(pid_t pid, UniqueFd signals = {}, int stop_signal = SIGTERM,
                                      Pump pump = {}) {
    workload::Supervision supervision;
    supervision.workload = pid;
    supervision.stop_signal = stop_signal;
    supervision.event_fd = event_.get();
    supervision.check = [this]() -> Result<void> {
      if (disk_good_) return {};
      return make_error(ErrorCode::verification_failed, "test", "corrupt");
    };
    supervision.signals = std::move(signals);
    supervision.input = std::move(pump);
    return workload::supervise(std::move(supervision));
  }

  std::string output() {
    char text[4096];
    ssize_t count = ::read(host_.get(), text, sizeof text);
    return count > 0 ? std::string(text, static_cast<size_t>(count)) : "";
  }

  UniqueFd host_, guest_, event_;
  sigset_t mask_;
  bool disk_good_ = true;
};

TEST_F(WorkloadTest, ExitStatusOutputAndIdentity) {
  auto pid =
      start(shell("echo $GREETING $(id -u):$(id -g) $(pwd); exit 42"), {1234, 2345, {}, "/"});
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, ExitKind::exit_code);
  EXPECT_EQ(end->value, 42u);
  EXPECT_EQ(output(), "hello 1234:2345 /\r\n");
}

TEST_F(WorkloadTest, RootWorkloadHasAContainersCapabilitiesForGood) {
  auto pid =
      start(shell("grep CapBnd /proc/self/status; grep CapEff /proc/self/status; ulimit -c"));
  ASSERT_TRUE(pid.ok());
  ASSERT_TRUE(watch(*pid).ok());
  std::string text = output();
  // The twelve of hardening.cpp: neither SYS_ADMIN (21), SYS_PTRACE (19), SYS_RAWIO (17) nor MKNOD
  // (27).
  EXPECT_NE(text.find("CapBnd:\t00000000800425fb"), std::string::npos) << text;
  EXPECT_NE(text.find("CapEff:\t00000000800425fb"), std::string::npos) << text;
}

TEST_F(WorkloadTest, DeathBySignal) {
  auto pid = start(shell("kill -9 $$"));
  ASSERT_TRUE(pid.ok());
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, ExitKind::signal);
  EXPECT_EQ(end->value, 9u);
}

TEST_F(WorkloadTest, RequestToStopBecomesTheImagesSignal) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd host(ends[0]), guest(ends[1]);
  auto pid = start(
      shell("trap 'exit 9' QUIT; trap 'exit 1' TERM; echo ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(pid.ok());
  ASSERT_EQ(output(), "ready\r\n");
  const uint8_t stop = SIGTERM;
  ASSERT_EQ(::write(host.get(), &stop, 1), 1);
  auto end = watch(*pid, std::move(guest), SIGQUIT);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, ExitKind::exit_code);
  EXPECT_EQ(end->value, 9u);
}

TEST_F(WorkloadTest, HostThatHangsUpChangesNothing) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd guest(ends[1]);
  ::close(ends[0]);
  auto pid = start(shell("sleep 0.1; exit 3"));
  ASSERT_TRUE(pid.ok());
  auto end = watch(*pid, std::move(guest));
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 3u);
}

// More than the pipe holds, read by somebody who is not root and who opens it again, to its end.
TEST_F(WorkloadTest, InputIsAPipeThatEnds) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd host(ends[0]);
  std::thread writer([&] {
    Bytes bytes(300'000, 'x');
    for (size_t sent = 0; sent < bytes.size();)
      sent += static_cast<size_t>(::write(host.get(), bytes.data() + sent, bytes.size() - sent));
    host.reset();
  });
  auto input = workload::open_input(UniqueFd(ends[1]));
  ASSERT_TRUE(input.ok());
  auto pid = start(shell("test -p /dev/stdin; echo $? $(head -c 1 /dev/stdin) $(wc -c); exit 4"),
                   {1234, 2345, {}, "/"}, input->pipe.get());
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  input->pipe.reset();
  auto end = watch(*pid, {}, SIGTERM, std::move(input->pump));
  writer.join();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 4u);
  EXPECT_EQ(output(), "0 x 299999\r\n");
}

TEST_F(WorkloadTest, InputThatNobodyReadsHoldsNobodyUp) {
  auto before = ::signal(SIGPIPE, SIG_IGN);  // as in PID 1
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd host(ends[0]);
  auto input = workload::open_input(UniqueFd(ends[1]));
  ASSERT_TRUE(input.ok());
  ASSERT_EQ(::write(host.get(), "unread", 6), 6);
  auto pid = start(shell("exec <&-; sleep 0.1; exit 5"), {}, input->pipe.get());
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  input->pipe.reset();
  auto end = watch(*pid, {}, SIGTERM, std::move(input->pump));
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 5u);
  ::signal(SIGPIPE, before);
}

TEST_F(WorkloadTest, CorruptDiskEndsTheWatchWhileTheWorkloadRuns) {
  auto pid = start(shell("exec sleep 60"));
  ASSERT_TRUE(pid.ok());
  disk_good_ = false;
  uint64_t one = 1;
  ASSERT_EQ(::write(event_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  auto end = watch(*pid);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::verification_failed);
  ::kill(*pid, SIGKILL);
  ::waitpid(*pid, nullptr, 0);
}

TEST_F(WorkloadTest, StartErrorsComeBackByName) {
  const struct {
    const char* program;
    const char* folder;
    int os_errno;
    const char* step;
    uint32_t exit_status;
  } cases[] = {{"no-such-program", "/", ENOENT, "exec", 127},
               {"/etc/passwd", "/", EACCES, "exec", 126},
               {"/etc", "/", EACCES, "exec", 126},
               {"/etc/passwd/x", "/", ENOENT, "exec", 127},
               {"/no/such/path", "/", ENOENT, "exec", 127},
               {"/bin/sh", "/etc/passwd", ENOTDIR, "working directory", 0}};
  for (const auto& row : cases) {
    workload::ProcessConfig config = shell("");
    config.arguments = {row.program};
    config.working_directory = row.folder;
    auto pid = start(config);
    ASSERT_FALSE(pid.ok()) << row.program;
    EXPECT_EQ(pid.error().os_errno, row.os_errno) << row.program;
    EXPECT_NE(pid.error().message.find(row.step), std::string::npos) << pid.error().describe();
    EXPECT_EQ(workload::exit_status_of_failure(pid.error()), row.exit_status) << row.program;
    ::waitpid(-1, nullptr, 0);
  }
}

}  // namespace
}  // namespace bartizan::guest::init
