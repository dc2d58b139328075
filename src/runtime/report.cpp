#include "runtime/report.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>

#include "base/blocked_signal.hpp"
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

void write_line(Severity severity, const std::string& message, const RuntimeCommand& command) {
  const BlockedSignal quiet(SIGXFSZ);  // a log at the limit of a file's size is one line shorter
  (void)write_all(STDERR_FILENO, as_bytes(message + "\n"), "standard error");
  if (!command.log.empty())
    append(command.log, log_line(severity, message, command.log_json, ::time(nullptr)));
}

std::string prefix(const std::string& command) {
  return command.empty() ? "bartizan-runtime" : "bartizan-runtime: " + command;
}

}  // namespace

std::string log_line(Severity severity, const std::string& message, bool json, int64_t seconds) {
  const std::string level = severity == Severity::error ? "error" : "warning";
  const std::string time = json_quoted(rfc3339(seconds)), text = json_quoted(message);
  if (json) return "{\"level\":\"" + level + "\",\"msg\":" + text + ",\"time\":" + time + "}\n";
  return "time=" + time + " level=" + level + " msg=" + text + "\n";
}

std::string describe(const Error& error, const std::string& command) {
  Error shown = error;
  shown.origin = prefix(command);
  return shown.describe();
}

void report(const Error& error, const RuntimeCommand& command) {
  write_line(Severity::error, describe(error, command.command), command);
}

void warn(const std::string& remark, const RuntimeCommand& command) {
  Error shown;
  shown.origin = prefix(command.command);
  shown.message = "warning: " + remark;
  write_line(Severity::warning, shown.describe(), command);
}

}  // namespace bartizan::runtime
