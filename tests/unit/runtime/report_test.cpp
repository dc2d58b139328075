#include "runtime/report.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::runtime {
namespace {

TEST(RuntimeReport, LinesAreThoseOfRuncAndCrun) {
  const Json line =
      Json::parse(log_line(Severity::error, "a \"quoted\" word", true, 1'000'000'000));
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["msg"], "a \"quoted\" word");
  EXPECT_EQ(line["time"], "2001-09-09T01:46:40Z");
  EXPECT_EQ(log_line(Severity::error, "x", false, 0),
            "time=\"1970-01-01T00:00:00Z\" level=error msg=\"x\"\n");
  EXPECT_EQ(Json::parse(log_line(Severity::warning, "x", true, 0))["level"], "warning");
}

TEST(RuntimeReport, EngineReadsItInItsLog) {
  RuntimeCommand command;
  command.command = "create";
  command.log = std::string(testing::TempDir()) + "/runtime-report-test.log";
  command.log_json = true;
  std::filesystem::remove(command.log);
  report(invalid("runtime", "no"), command);
  warn("but", command);
  std::ifstream log(command.log);
  std::string error, warning;
  ASSERT_TRUE(std::getline(log, error) && std::getline(log, warning));
  EXPECT_EQ(Json::parse(error)["msg"], "bartizan-runtime: create: no");
  EXPECT_EQ(Json::parse(warning)["msg"], "bartizan-runtime: create: warning: but");
  EXPECT_EQ(Json::parse(warning)["level"], "warning");
}

}  // namespace
}  // namespace bartizan::runtime
