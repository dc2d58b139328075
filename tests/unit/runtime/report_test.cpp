#include "runtime/report.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::runtime {
namespace {

TEST(RuntimeReport, LinesAreThoseOfRuncAndCrun) {
  const Json line = Json::parse(log_line("a \"quoted\" word", true, 1'000'000'000));
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["msg"], "a \"quoted\" word");
  EXPECT_EQ(line["time"], "2001-09-09T01:46:40Z");
  EXPECT_EQ(log_line("x", false, 0), "time=\"1970-01-01T00:00:00Z\" level=error msg=\"x\"\n");
}

TEST(RuntimeReport, EngineReadsItInItsLog) {
  RuntimeCommand command;
  command.command = "create";
  command.log = std::string(testing::TempDir()) + "/runtime-report-test.log";
  command.log_json = true;
  std::filesystem::remove(command.log);
  report(invalid("runtime", "no"), command);
  std::ifstream log(command.log);
  std::stringstream text;
  text << log.rdbuf();
  EXPECT_EQ(Json::parse(text.str())["msg"], "bartizan-runtime: create: no");
}

}  // namespace
}  // namespace bartizan::runtime
