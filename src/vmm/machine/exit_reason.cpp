#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include "bartizan/machine.hpp"

namespace bartizan {
namespace {

// as docker and podman: it was not the workload that failed
constexpr int kNotTheWorkload = 125;
constexpr int kNotExecutable = 126, kMissing = 127;

std::string signal_text(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? fmt::format("killed by signal {} (SIG{})", number, name)
                         : fmt::format("killed by signal {}", number);
}

std::string with_place(std::string text, const ExitReason& reason) {
  if (!reason.stage.empty()) text += fmt::format(" at stage {}", reason.stage);
  if (!reason.detail.empty()) text += fmt::format(": {}", reason.detail);
  return text;
}

}  // namespace

int ExitReason::process_status() const {
  if (kind == ExitKind::exit_code) return code;
  if (kind == ExitKind::signal) return 128 + code;
  const bool entry_point = code == kNotExecutable || code == kMissing;
  return kind == ExitKind::guest_failure && entry_point ? code : kNotTheWorkload;
}

std::string ExitReason::describe() const {
  switch (kind) {
    case ExitKind::exit_code:
      return fmt::format("exited with status {}", code);
    case ExitKind::signal:
      return signal_text(code);
    case ExitKind::guest_failure:
      return with_place("guest failed", *this);
    case ExitKind::shutdown:
      return with_place("guest powered off without an exit report", *this);
    case ExitKind::reset:
      return with_place("guest reset itself without an exit report", *this);
    case ExitKind::crash:
      return with_place("guest crashed", *this);
    case ExitKind::stopped:
      return with_place("stopped by request", *this);
  }
  return "unknown";
}

}  // namespace bartizan
