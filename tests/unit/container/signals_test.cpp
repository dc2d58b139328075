#include "container/signals.hpp"

#include <gtest/gtest.h>

#include <csignal>

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
  const Signals taken;
  for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGTERM, SIGCONT, SIGTSTP, SIGWINCH, SIGXFSZ,
                     SIGPWR, SIGRTMIN, SIGRTMAX - 1})
    EXPECT_NE(handler_of(number), SIG_DFL) << number;
  for (int number : {SIGSEGV, SIGBUS, SIGABRT, SIGCHLD, SIGRTMIN + 4})
    EXPECT_EQ(handler_of(number), SIG_DFL) << number;
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
