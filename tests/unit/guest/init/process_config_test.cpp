// The workload's process from an image config, and whom it runs as.
#include "guest/init/workload/process_config.hpp"

#include <gtest/gtest.h>

#include "guest/init/workload/workload.hpp"

namespace bartizan::guest::init {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "web:x:101:102:,,,:/srv/web:/usr/sbin/nologin\n"
    "nohome:x:7:8::relative:/bin/sh\n";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "www:x:102:web\n"
    "log:x:4:other,web\n"
    "webby:x:9:website\n";

TEST(ProcessConfig, EntrypointThenCmd) {
  auto config = workload::parse_process_config(
      R"({"config":{"Entrypoint":["/bin/server","-v"],"Cmd":["--port","80"],"Env":["A=b=c","EMPTY="],)"
      R"("User":"web:www","WorkingDir":"/srv","StopSignal":"SIGQUIT"},"rootfs":{}})");
  ASSERT_TRUE(config.ok()) << config.error().describe();
  EXPECT_EQ(config->arguments, (Words{"/bin/server", "-v", "--port", "80"}));
  EXPECT_EQ(config->environment, (Words{"A=b=c", "EMPTY="}));
  EXPECT_EQ(config->user, "web:www");
  EXPECT_EQ(config->working_directory, "/srv");
  EXPECT_EQ(config->stop_signal, 3);
}

TEST(ProcessConfig, NullAndAbsentMembersAreDefaults) {
  auto config = workload::parse_process_config(
      R"({"config":{"Entrypoint":null,"Cmd":["true"],"Env":null,"User":""}})");
  ASSERT_TRUE(config.ok()) << config.error().describe();
  EXPECT_EQ(config->arguments, Words{"true"});
  EXPECT_EQ(config->working_directory, "/");
  EXPECT_EQ(config->stop_signal, 15);
  EXPECT_TRUE(config->environment.empty());
}

TEST(ProcessConfig, RelativeWorkingDirectoryCountsFromTheRoot) {
  auto config = workload::parse_process_config(R"({"config":{"Cmd":["a"],"WorkingDir":"app"}})");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->working_directory, "/app");
}

TEST(ProcessConfig, RefusesWhatIsNoProcess) {
  const struct {
    const char* text;
    ErrorCode code;
  } cases[] = {
      {"", ErrorCode::corrupt},
      {"[]", ErrorCode::corrupt},
      {R"({"rootfs":{}})", ErrorCode::corrupt},
      {R"({"config":[]})", ErrorCode::corrupt},
      {R"({"config":{}})", ErrorCode::invalid_argument},
      {R"({"config":{"Entrypoint":[],"Cmd":[]}})", ErrorCode::invalid_argument},
      {R"({"config":{"Entrypoint":[""]}})", ErrorCode::invalid_argument},
      {R"({"config":{"Entrypoint":"/bin/sh"}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a",1]}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a\u0000b"]}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a"],"Env":["NOVALUE"]}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a"],"Env":["=x"]}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a"],"User":5}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a"],"StopSignal":"SIGNONE"}})", ErrorCode::corrupt},
      {R"({"config":{"Cmd":["a"],"Cmd":["b"]}})", ErrorCode::corrupt},
  };
  for (const auto& row : cases) {
    auto config = workload::parse_process_config(row.text);
    ASSERT_FALSE(config.ok()) << row.text;
    EXPECT_EQ(config.error().code, row.code) << row.text;
  }
}

TEST(ProcessConfig, RefusesMoreWordsThanTheLimit) {
  std::string words = R"("a")";
  for (size_t i = 0; i < workload::kMaxWords; ++i) words += R"(,"a")";
  auto config = workload::parse_process_config(R"({"config":{"Cmd":[)" + words + "]}}");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().code, ErrorCode::corrupt);
}

TEST(SignalNumber, NamesAndNumbers) {
  const struct {
    const char* name;
    int number;
  } cases[] = {{"SIGTERM", 15}, {"TERM", 15},     {"9", 9},
               {"SIGQUIT", 3},  {"SIGRTMIN", 34}, {"SIGRTMIN+3", 37}};
  for (const auto& row : cases) {
    auto number = workload::signal_number(row.name);
    ASSERT_TRUE(number.ok()) << row.name;
    EXPECT_EQ(*number, row.number) << row.name;
  }
  for (const char* name :
       {"", "SIG", "0", "65", "-1", "SIGRTMIN+31", "SIGRTMIN-1", "SIGRTMIN+", "sigterm"}) {
    EXPECT_FALSE(workload::signal_number(name).ok()) << name;
  }
}

TEST(ResolveUser, EveryForm) {
  const struct {
    const char* user;
    uint32_t id, group;
    std::vector<uint32_t> groups;
    const char* home;
  } cases[] = {
      {"", 0, 0, {}, "/root"},
      {"web", 101, 102, {102, 4}, "/srv/web"},
      {"101", 101, 102, {102, 4}, "/srv/web"},
      {"web:log", 101, 4, {}, "/srv/web"},
      {"web:77", 101, 77, {}, "/srv/web"},
      {"5000", 5000, 0, {}, "/"},
      {"5000:5001", 5000, 5001, {}, "/"},
      {":www", 0, 102, {}, "/root"},
      {"nohome", 7, 8, {}, "/"},
  };
  for (const auto& row : cases) {
    auto who = workload::resolve_user(row.user, kPasswd, kGroup);
    ASSERT_TRUE(who.ok()) << row.user << ": " << who.error().describe();
    EXPECT_EQ(who->user, row.id) << row.user;
    EXPECT_EQ(who->group, row.group) << row.user;
    EXPECT_EQ(who->groups, row.groups) << row.user;
    EXPECT_EQ(who->home, row.home) << row.user;
  }
}

TEST(ResolveUser, ImageWithoutAccounts) {
  auto who = workload::resolve_user("", "", "");
  ASSERT_TRUE(who.ok());
  EXPECT_EQ(who->user, 0u);
  EXPECT_EQ(who->home, "/root");
}

TEST(ResolveUser, UnknownNamesAreNotRoot) {
  for (const char* user : {"nobody", "web:nogroup", "4294967296", "-1", "broken line"}) {
    auto who = workload::resolve_user(user, kPasswd, kGroup);
    ASSERT_FALSE(who.ok()) << user;
    EXPECT_EQ(who.error().code, ErrorCode::not_found) << user;
  }
}

TEST(Environment, FillsInOnlyWhatIsMissing) {
  workload::ProcessConfig config;
  config.environment = {"PATH=/only", "HOMEX=1"};
  auto environment = workload::complete_environment(config, "/srv/web");
  EXPECT_EQ(environment, (Words{"PATH=/only", "HOMEX=1", "HOME=/srv/web", "TERM=xterm"}));
  EXPECT_EQ(workload::environment_value(environment, "PATH"), "/only");
  EXPECT_EQ(workload::environment_value(environment, "HOM"), "");
}

TEST(ProgramCandidates, PathOnlyForBareNames) {
  EXPECT_EQ(workload::program_candidates("/bin/a", "/x:/y"), Words{"/bin/a"});
  EXPECT_EQ(workload::program_candidates("./a", "/x:/y"), Words{"./a"});
  EXPECT_EQ(workload::program_candidates("a", "/x:/y"), (Words{"/x/a", "/y/a"}));
  EXPECT_EQ(workload::program_candidates("a", "/x::/y"), (Words{"/x/a", "./a", "/y/a"}));
}

TEST(ForwardedSignal, TermBecomesTheImagesOwn) {
  EXPECT_EQ(workload::forwarded_signal(15, 3), 3);
  EXPECT_EQ(workload::forwarded_signal(2, 3), 2);
  EXPECT_EQ(workload::forwarded_signal(0, 3), 0);
  EXPECT_EQ(workload::forwarded_signal(200, 3), 0);
}

}  // namespace
}  // namespace bartizan::guest::init
