#include "runtime/report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <ctime>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/timestamp.hpp"

namespace bartizan::runtime {
namespace {

// An engine that gave no such file has standard error; a file that cannot be written leaves that.
void append(const std::filesystem::path& log, const std::string& line) {
  auto file = open_file(log, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0640);
  if (file.ok()) (void)write_all(file->get(), as_bytes(line), log.string());
}

}  // namespace

std::string log_line(const std::string& message, bool json, int64_t seconds) {
  const std::string time = json_quoted(rfc3339(seconds)), text = json_quoted(message);
  if (json) return "{\"level\":\"error\",\"msg\":" + text + ",\"time\":" + time + "}\n";
  return "time=" + time + " level=error msg=" + text + "\n";
}

std::string describe(const Error& error, const std::string& command) {
  Error shown = error;
  shown.origin = command.empty() ? "bartizan-runtime" : "bartizan-runtime: " + command;
  return shown.describe();
}

void report(const Error& error, const RuntimeCommand& command) {
  const std::string message = describe(error, command.command);
  (void)write_all(STDERR_FILENO, as_bytes(message + "\n"), "standard error");
  if (!command.log.empty())
    append(command.log, log_line(message, command.log_json, ::time(nullptr)));
}

}  // namespace bartizan::runtime
