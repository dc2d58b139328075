#include "container/signals.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <vector>

namespace bartizan::container {
namespace {

void (*handler_of(int number))(int) {
  struct sigaction action = {};
  ::sigaction(number, nullptr, &action);
  return action.sa_handler;
}

Context idle_machine() {
  return Context::create({}).value();
}

TEST(Signals, EveryOneThatAProgramCanTakeIsTaken) {
  constexpr int kLeft[] = {SIGSEGV, SIGBUS, SIGABRT, SIGCHLD};
  std::vector<void (*)(int)> before;  // a sanitizer takes some
  for (int number : kLeft) before.push_back(handler_of(number));
  const Signals taken;
  for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGTERM, SIGCONT, SIGTSTP, SIGWINCH, SIGXFSZ,
                     SIGPWR, SIGRTMIN, SIGRTMAX - 1})
    EXPECT_NE(handler_of(number), SIG_DFL) << number;
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(handler_of(kLeft[i]), before[i]) << kLeft[i];
  EXPECT_EQ(handler_of(SIGRTMIN + 4), SIG_DFL);
  EXPECT_EQ(handler_of(SIGPIPE), SIG_IGN);
}

TEST(Signals, DispositionsComeBack) {
  ::signal(SIGUSR2, SIG_IGN);
  { const Signals taken; }
  EXPECT_EQ(handler_of(SIGUSR2), SIG_IGN);
  EXPECT_EQ(handler_of(SIGTERM), SIG_DFL);
  EXPECT_EQ(handler_of(SIGPIPE), SIG_DFL);
  ::signal(SIGUSR2, SIG_DFL);
}

// Whether there is a machine yet, that is not started, or none any more: this process goes on.
TEST(Signals, NoneEndsTheProcess) {
  const Signals taken;
  ASSERT_EQ(::raise(SIGTERM), 0);
  auto machine = idle_machine();
  {
    const SignalPath path(machine);
    ASSERT_EQ(::raise(SIGTERM), 0);
    ASSERT_EQ(::raise(SIGRTMAX - 1), 0);
  }
  ASSERT_EQ(::raise(SIGINT), 0);
}

}  // namespace
}  // namespace bartizan::container
