#include "runtime/command_line.hpp"

#include <gtest/gtest.h>

namespace bartizan::runtime {
namespace {

using Words = std::vector<std::string>;

// As conmon 2.1.6 of podman 4.3.1 calls.
TEST(RuntimeCommandLine, CreateOfPodman) {
  const Words words = {"--cgroup-manager", "cgroupfs",     "--log-format=json", "--log",
                       "/run/oci-log",     "create",       "--bundle",          "/run/userdata",
                       "--pid-file",       "/run/pidfile", "--console-socket",  "/run/s",
                       "0068e764"};
  auto parsed = parse_command_line(words).value();
  EXPECT_EQ(parsed.command, "create");
  EXPECT_TRUE(parsed.starts_container());
  EXPECT_EQ(parsed.bundle, "/run/userdata");
  EXPECT_EQ(parsed.id, "0068e764");
  EXPECT_EQ(parsed.log, "/run/oci-log");
  EXPECT_TRUE(parsed.log_json);
  EXPECT_EQ(parsed.stock_arguments(), words);
}

TEST(RuntimeCommandLine, OursAreTakenOut) {
  auto parsed = parse_command_line({"--root", "/r", "--oci-runtime", "runc", "--config=/c.json",
                                    "--systemd-cgroup", "run", "-b/bundle", "--detach", "-f",
                                    "other.json", "one"})
                    .value();
  EXPECT_EQ(parsed.oci_runtime, "runc");
  EXPECT_EQ(parsed.settings, "/c.json");
  EXPECT_EQ(parsed.bundle, "/bundle");
  EXPECT_EQ(parsed.config, "other.json");
  EXPECT_EQ(parsed.id, "one");
  EXPECT_EQ(parsed.stock_arguments(), (Words{"--root", "/r", "--systemd-cgroup", "run", "-b/bundle",
                                             "--detach", "-f", "other.json", "one"}));
}

// What follows the container's name is the command to be executed.
TEST(RuntimeCommandLine, OptionsEndAtTheContainersName) {
  auto parsed = parse_command_line(
                    {"exec", "--process", "/p.json", "-e", "A=b", "-d", "one", "sh", "-b", "x"})
                    .value();
  EXPECT_TRUE(parsed.enters_container());
  EXPECT_EQ(parsed.id, "one");
  EXPECT_EQ(parsed.bundle, "");
}

// An option may be a flag in another command: only what starts or enters a container is looked at.
TEST(RuntimeCommandLine, OtherCommandsPassUnread) {
  const Words words = {"delete", "-f"};
  EXPECT_EQ(parse_command_line(words).value().stock_arguments(), words);
  EXPECT_EQ(parse_command_line({"--version"}).value().stock_arguments(), Words{"--version"});
  EXPECT_EQ(parse_command_line({}).value().command, "");
}

// Spellings of the stock runtimes' parsers, behind which a name or a command could hide.
TEST(RuntimeCommandLine, OtherSpellingsAreRefused) {
  for (const Words& words :
       {Words{"exec", "-env", "A=b", "one", "sh"}, Words{"exec", "-user", "0", "one", "sh"},
        Words{"exec", "--en", "A=b", "one", "sh"}, Words{"exec", "-pid-file", "F", "one", "sh"},
        Words{"-root", "/r", "exec", "one", "sh"}, Words{"--roo", "/r", "exec", "one", "sh"},
        Words{"-root", "/r", "create", "one"}, Words{"create", "-b=/bundle", "one"},
        Words{"create", "-bundle", "/b", "one"}, Words{"create", "--bund", "/b", "one"},
        Words{"checkpoint", "-image-path", "/x", "one"}}) {
    auto parsed = parse_command_line(words);
    ASSERT_FALSE(parsed.ok()) << words[0] << " " << words[1];
    EXPECT_NE(parsed.error().message.find("write options in full"), std::string::npos);
  }
  EXPECT_EQ(parse_command_line({"exec", "--", "one", "sh"}).value().id, "one");
}

TEST(RuntimeCommandLine, MissingValue) {
  for (const Words& words : {Words{"--root"}, Words{"create", "--bundle"}, Words{"exec", "-p"}}) {
    auto parsed = parse_command_line(words);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().message, words.back() + ": its value is missing");
  }
}

}  // namespace
}  // namespace bartizan::runtime
