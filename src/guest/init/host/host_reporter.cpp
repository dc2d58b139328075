#include "guest/init/host/host_reporter.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "base/file.hpp"
#include "base/printable.hpp"

namespace bartizan::guest::init::host {
namespace {

constexpr const char* kConsole = "/dev/hvc0";
// A message from outside (a broker's refusal) must not fill the host's log.
constexpr size_t kMaxLineText = 2000;

// Asked for once: lockdown refuses later requests but leaves what was granted. Without the grant
// the instruction itself would kill PID 1.
bool ports_open = false;

std::atomic<uint32_t> entered{static_cast<uint32_t>(guest_abi::BootStage::pid1)};
static_assert(std::atomic<uint32_t>::is_always_lock_free, "for signal handlers too");

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
  return harmless(text.substr(0, kMaxLineText));
}

std::string line_start(double seconds, std::string_view mark, guest_abi::BootStage stage) {
  const auto number = static_cast<uint32_t>(stage);
  return fmt::format("bartizan: [{:6.3f}] {}{}/{} {}: ", seconds, mark, number,
                     guest_abi::kStageCount, guest_abi::stage_name(number));
}

}  // namespace

std::string stage_line(double seconds, guest_abi::BootStage stage, std::string_view text) {
  return line_start(seconds, "", stage) + one_line(text) + "\n";
}

std::string failure_line(double seconds, guest_abi::BootStage stage, const Error& error) {
  return line_start(seconds, "FAILED ", stage) + one_line(error.describe()) + "\n";
}

uint32_t exit_report_word(ExitKind kind, uint32_t value) {
  return static_cast<uint32_t>(kind) << 24 | (value & 0xffffff);
}

HostReporter::HostReporter() {
  ports_open = ::ioperm(guest_abi::kControlPort, guest_abi::kControlPortCount, 1) == 0;
}

uint32_t HostReporter::last_stage() {
  return entered.load();
}

void HostReporter::enter(guest_abi::BootStage stage) {
  stage_ = stage;
  entered = static_cast<uint32_t>(stage);
  tell_host(guest_abi::kControlPort, static_cast<uint32_t>(stage));
}

void HostReporter::running() {
  tell_host(guest_abi::kControlPort, guest_abi::kRunningMark);
}

void HostReporter::done(std::string_view text) {
  write_line(stage_line(seconds_since_boot(), stage_, text));
}

void HostReporter::open_console() {
  if (console_.valid()) return;
  UniqueFd console(::open(kConsole, O_WRONLY | O_NOCTTY | O_CLOEXEC));
  termios settings{};
  if (!console.valid() || ::tcgetattr(console.get(), &settings) != 0) return;
  ::cfmakeraw(&settings);  // no CR before LF, no echo of what the host might send
  ::tcsetattr(console.get(), TCSANOW, &settings);
  console_ = std::move(console);
  write_line("");
}

void HostReporter::write_line(const std::string& line) {
  waiting_ += line;
  // A console that refuses does not stop a boot: the marks and the exit report go another way.
  if (console_.valid() && write_all(console_.get(), as_bytes(waiting_), kConsole).ok())
    waiting_.clear();
}

void HostReporter::fail(guest_abi::BootStage stage, const Error& error, uint32_t exit_status) {
  open_console();
  write_line(failure_line(seconds_since_boot(), stage, error));
  exit(ExitKind::guest_failure,
       static_cast<uint32_t>(stage) | exit_status << guest_abi::kFailureStatusShift);
}

void HostReporter::exit(ExitKind kind, uint32_t value) {
  if (console_.valid()) ::tcdrain(console_.get());
  report_and_reset(kind, value);
}

void report_and_reset(ExitKind kind, uint32_t value) {
  // A child that dies before exec still has PID 1's handlers; a test is on somebody else's machine.
  if (::getpid() != 1) ::_exit(1);
  tell_host(guest_abi::kExitPort, exit_report_word(kind, value));
  ::reboot(RB_AUTOBOOT);
  for (;;) ::pause();  // the reset takes effect on its own time; PID 1 must not return
}

}  // namespace bartizan::guest::init::host
