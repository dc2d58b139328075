#include "guest/report.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"

namespace bartizan::guest {
namespace {

constexpr const char* kConsole = "/dev/hvc0";
// A message from outside (a broker's refusal) must not fill the host's log.
constexpr size_t kMaxLineText = 2000;

// Asked for once: lockdown refuses later requests but leaves what was granted. Without the grant
// the instruction itself would kill PID 1.
bool ports_open = false;

void tell_host(uint16_t port, uint32_t word) {
  if (ports_open) ::outl(word, port);
}

double seconds_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Terminal escapes and line breaks from outside would let a peer forge lines in the host's log.
std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kMaxLineText));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

std::string line_start(double seconds, std::string_view mark, contract::Station station) {
  const auto number = static_cast<uint32_t>(station);
  return fmt::format("bartizan: [{:6.3f}] {}{}/{} {}: ", seconds, mark, number,
                     contract::kStationCount, contract::station_name(number));
}

}  // namespace

std::string station_line(double seconds, contract::Station station, std::string_view text) {
  return line_start(seconds, "", station) + one_line(text) + "\n";
}

std::string failure_line(double seconds, contract::Station station, const Error& error) {
  return line_start(seconds, "FAILED ", station) + one_line(error.describe()) + "\n";
}

uint32_t exit_report_word(ExitKind kind, uint32_t value) {
  return static_cast<uint32_t>(kind) << 24 | (value & 0xffffff);
}

Report::Report() {
  ports_open = ::ioperm(contract::kControlPort, contract::kControlPortCount, 1) == 0;
}

void Report::enter(contract::Station station) {
  station_ = station;
  tell_host(contract::kControlPort, static_cast<uint32_t>(station));
}

void Report::done(std::string_view text) {
  write_line(station_line(seconds_since_boot(), station_, text));
}

void Report::open_console() {
  if (console_.valid()) return;
  UniqueFd console(::open(kConsole, O_WRONLY | O_NOCTTY | O_CLOEXEC));
  termios settings{};
  if (!console.valid() || ::tcgetattr(console.get(), &settings) != 0) return;
  ::cfmakeraw(&settings);  // no CR before LF, no echo of what the host might send
  ::tcsetattr(console.get(), TCSANOW, &settings);
  console_ = std::move(console);
  write_line("");
}

void Report::write_line(const std::string& line) {
  waiting_ += line;
  // A console that refuses does not stop a boot: the marks and the exit report go another way.
  if (console_.valid() && write_all(console_.get(), as_bytes(waiting_), kConsole).ok())
    waiting_.clear();
}

void Report::fail(contract::Station station, const Error& error) {
  open_console();
  write_line(failure_line(seconds_since_boot(), station, error));
  exit(ExitKind::guest_failure, static_cast<uint32_t>(station));
}

void Report::exit(ExitKind kind, uint32_t value) {
  if (console_.valid()) ::tcdrain(console_.get());
  report_and_reset(kind, value);
}

void report_and_reset(ExitKind kind, uint32_t value) {
  // A child that dies before exec still has PID 1's handlers; a test is on somebody else's machine.
  if (::getpid() != 1) ::_exit(1);
  tell_host(contract::kExitPort, exit_report_word(kind, value));
  ::reboot(RB_AUTOBOOT);
  for (;;) ::pause();  // the reset takes effect on its own time; PID 1 must not return
}

}  // namespace bartizan::guest
