// A real child process, started and watched as in a guest, with /bin/sh as the workload and socket
// pairs in place of the connections to the host.
#include "guest/init/workload/workload.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
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
    before_ = ::signal(SIGPIPE, SIG_IGN);  // as in PID 1
    event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    with({stream(&input_), stream(&output_), {}, {}});
    input_.reset();
  }
  void TearDown() override {
    if (!event_.valid()) return;
    ::signal(SIGPIPE, before_);
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }

  // The guest's end of a connection; `host` is the other.
  static UniqueFd stream(UniqueFd* host) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    host->reset(ends[0]);
    return UniqueFd(ends[1]);
  }
  void with(workload::HostStreams host) {
    auto streams = workload::Streams::open(std::move(host));
    ASSERT_TRUE(streams.ok()) << streams.error().describe();
    streams_ = std::move(*streams);
  }

  static workload::ProcessConfig shell(const std::string& script) {
    workload::ProcessConfig config;
    config.arguments = {"sh", "-c", script};
    config.environment = {"PATH=/nowhere:/bin:/usr/bin", "GREETING=hello"};
    return config;
  }

  Result<pid_t> start(const workload::ProcessConfig& config,
                      const workload::Credentials& who = {}) {
    return workload::start_workload(config, who, streams_);
  }

  Result<workload::WorkloadEnd> watch(pid_t pid, UniqueFd signals = {}, int stop_signal = SIGTERM) {
    workload::Supervision supervision;
    supervision.workload = pid;
    supervision.stop_signal = stop_signal;
    supervision.any_signal = any_signal_;
    supervision.event_fd = event_.get();
    supervision.check = [this]() -> Result<void> {
      if (disk_good_) return {};
      return make_error(ErrorCode::verification_failed, "test", "corrupt");
    };
    supervision.signals = std::move(signals);
    supervision.streams = std::move(streams_);
    // As the host does: reads to the end, then closes.
    std::thread host([this] {
      said_ += rest_of(output_.get());
      output_.reset();
    });
    auto end = workload::supervise(std::move(supervision));
    if (!end.ok()) ::shutdown(output_.get(), SHUT_RDWR);
    host.join();
    return end;
  }

  static std::string rest_of(int fd) {
    std::string all;
    char piece[4096];
    for (ssize_t count; (count = ::read(fd, piece, sizeof piece)) > 0;)
      all.append(piece, static_cast<size_t>(count));
    return all;
  }
  // Reads on before the workload is watched; the streams have to be carried by hand.
  void wait_for(std::string_view text) {
    while (said_.find(text) == std::string::npos) {
      auto polls = streams_.wanted();
      ASSERT_GT(::poll(polls.data(), polls.size(), 10'000), 0);
      streams_.step(polls);
      char piece[4096];
      ssize_t count = ::recv(output_.get(), piece, sizeof piece, MSG_DONTWAIT);
      if (count > 0) said_.append(piece, static_cast<size_t>(count));
    }
  }
  const std::string& output() const { return said_; }

  UniqueFd input_, output_, event_;
  workload::Streams streams_;
  std::string said_;
  sigset_t mask_;
  sighandler_t before_ = SIG_DFL;
  bool disk_good_ = true, any_signal_ = true;
};

TEST_F(WorkloadTest, ExitStatusOutputAndIdentity) {
  auto pid =
      start(shell("echo $GREETING $(id -u):$(id -g) $(pwd); exit 42"), {1234, 2345, {}, "/"});
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, ExitKind::exit_code);
  EXPECT_EQ(end->value, 42u);
  EXPECT_EQ(output(), "hello 1234:2345 /\n");
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
  wait_for("ready\n");
  const uint8_t stop = SIGTERM;
  ASSERT_EQ(::write(host.get(), &stop, 1), 1);
  auto end = watch(*pid, std::move(guest), SIGQUIT);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, ExitKind::exit_code);
  EXPECT_EQ(end->value, 9u);
}

TEST_F(WorkloadTest, HostThatMayNotSignalMayAskForAStop) {
  UniqueFd host, guest = stream(&host);
  any_signal_ = false;
  auto pid = start(shell(
      "trap 'exit 1' USR1 HUP KILL; trap 'exit 9' QUIT; echo ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(pid.ok());
  wait_for("ready\n");
  const uint8_t orders[] = {SIGUSR1, SIGHUP, SIGKILL, SIGQUIT + 64, SIGTERM};
  ASSERT_EQ(::write(host.get(), orders, sizeof orders), static_cast<ssize_t>(sizeof orders));
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
  with({stream(&input_), stream(&output_), {}, {}});
  std::thread writer([&] {
    Bytes bytes(300'000, 'x');
    for (size_t sent = 0; sent < bytes.size();)
      sent += static_cast<size_t>(::write(input_.get(), bytes.data() + sent, bytes.size() - sent));
    input_.reset();
  });
  auto pid = start(shell("test -p /dev/stdin; echo $? $(head -c 1 /dev/stdin) $(wc -c); exit 4"),
                   {1234, 2345, {}, "/"});
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  auto end = watch(*pid);
  writer.join();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 4u);
  EXPECT_EQ(output(), "0 x 299999\n");
}

TEST_F(WorkloadTest, InputThatNobodyReadsHoldsNobodyUp) {
  with({stream(&input_), stream(&output_), {}, {}});
  ASSERT_EQ(::write(input_.get(), "unread", 6), 6);
  auto pid = start(shell("exec <&-; sleep 0.1; exit 5"));
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 5u);
}

// A host that reads slowly gets all of it, and the workload's end waits for that.
TEST_F(WorkloadTest, OutputIsAPipeThatASlowHostReadsToItsEnd) {
  auto pid = start(shell("test -p /dev/stdout && test ! -t 2 && head -c 3000000 /dev/zero"),
                   {1234, 2345, {}, "/"});
  ASSERT_TRUE(pid.ok());
  ASSERT_EQ(::usleep(200'000), 0);  // nobody reads yet: the workload waits
  EXPECT_EQ(::waitpid(*pid, nullptr, WNOHANG), 0);
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 0u);
  EXPECT_EQ(output().size(), 3'000'000u);
}

TEST_F(WorkloadTest, HostThatStopsReadingIsABrokenPipe) {
  auto pid = start(shell("trap '' PIPE; while echo x; do :; done; exit 8"));
  ASSERT_TRUE(pid.ok());
  wait_for("x\n");
  output_.reset();
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 8u);
}

TEST_F(WorkloadTest, TerminalHasItsSizeFirstAndFollowsIt) {
  UniqueFd signals;
  UniqueFd guest = stream(&signals);
  with({{}, {}, stream(&output_), {101, 33}});
  auto pid =
      start(shell("test -t 0 && test -t 1 && test -t 2 && stty size; "
                  "trap 'stty size; exit 6' WINCH; echo ready; while :; do sleep 0.01; done"),
            {1234, 2345, {}, "/"});
  ASSERT_TRUE(pid.ok()) << pid.error().describe();
  wait_for("ready\n");
  const uint8_t message[] = {0, 80, 0, 24, 0};
  for (uint8_t byte : message) ASSERT_EQ(::write(signals.get(), &byte, 1), 1);
  auto end = watch(*pid, std::move(guest));
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 6u);
  EXPECT_EQ(output(), "33 101\nready\n24 80\n");
}

// Each stream by itself: what is no terminal is a pipe.
TEST_F(WorkloadTest, TerminalForInputAndAPipeForOutput) {
  UniqueFd terminal;
  with({{}, stream(&output_), stream(&terminal), {80, 24}});
  ASSERT_EQ(::write(terminal.get(), "typed\n", 6), 6);
  auto pid =
      start(shell("test -t 0 && test ! -t 1 && read line && echo got $line >/dev/stdout; "
                  "echo hello >/dev/tty"));
  ASSERT_TRUE(pid.ok());
  std::thread host([&] {
    EXPECT_EQ(rest_of(terminal.get()), "hello\n");
    terminal.reset();
  });
  auto end = watch(*pid);
  host.join();
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(output(), "got typed\n");
}

TEST_F(WorkloadTest, WhatTheHostDoesNotOfferIsNull) {
  with({});
  output_.reset();
  auto pid = start(shell("test ! -t 0 && test -z \"$(cat)\" && test -c /dev/stdout && echo lost"));
  ASSERT_TRUE(pid.ok());
  auto end = watch(*pid);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->value, 0u);
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
