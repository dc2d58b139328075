// Commands from any thread, or from a signal handler, to the event loop.
#include "vmm/machine/commands.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace bartizan::vmm::machine {
namespace {

TEST(Commands, WaitInTheirPipeAndKeepErrno) {
  auto commands = Commands::create();
  ASSERT_TRUE(commands.ok());
  errno = EDOM;
  commands->send({Command::Kind::signal, 15});
  for (int i = 0; i < 20'000; ++i)
    commands->send({Command::Kind::stop, 1});  // more than fits: never blocks
  EXPECT_EQ(errno, EDOM);
  auto first = commands->next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->value, 15u);
  while (commands->next()) {
  }
  EXPECT_FALSE(commands->next().has_value());
}

TEST(Commands, StopIsNotLostBehindAFloodOfSignals) {
  auto commands = Commands::create();
  ASSERT_TRUE(commands.ok());
  for (int i = 0; i < 20'000; ++i) commands->send({Command::Kind::signal, 10});
  commands->send({Command::Kind::stop, 77});
  std::optional<Command> last;
  while (auto command = commands->next()) last = command;
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->kind, Command::Kind::stop);
  EXPECT_EQ(last->value, 77u);
}

}  // namespace
}  // namespace bartizan::vmm::machine
