#include "krun/log.hpp"

#include <unistd.h>

#include <atomic>
#include <string>

#include "base/file.hpp"
#include "base/printable.hpp"

namespace bartizan::krun {
namespace {

constexpr uint32_t kWarnings = 1, kInfo = 3, kDebug = 4;

std::atomic<uint32_t> wanted{kWarnings};
std::atomic<int> file{STDERR_FILENO};

uint32_t least_level(LogLevel level) {
  switch (level) {
    case LogLevel::error:
    case LogLevel::warning:
      return kWarnings;
    case LogLevel::info:
      return kInfo;
    case LogLevel::debug:
      break;
  }
  return kDebug;
}

void write_line(std::string line) {
  line += '\n';
  (void)write_all(file, as_bytes(line), "log");
}

}  // namespace

void set_log_level(uint32_t level) {
  wanted = level;
}

void set_log_file(int fd) {
  const int before = file.exchange(fd);
  if (before > STDERR_FILENO && before != fd) ::close(before);
}

void log(LogLevel level, std::string_view line) {
  if (wanted >= least_level(level)) write_line("bartizan: " + harmless(line));
}

void log_guest(std::string_view line) {
  write_line("guest| " + harmless(line));
}

}  // namespace bartizan::krun
