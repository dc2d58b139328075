// What PID 1 reports to the host: marks and the exit report through the control ports, one log line
// a stage through hvc0.
//
// Owned by main; one thread. Before hvc0 exists, lines wait in memory. The only part of init that
// ends the machine.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/error.hpp"
#include "bartizan/machine.hpp"
#include "base/unique_fd.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::host {

// "bartizan: [ 0.123] 3/10 manifest: text\n"; what is no letter in `text` is written out, so
// that one line stays one.
std::string stage_line(double seconds, guest_abi::BootStage stage, std::string_view text);
std::string failure_line(double seconds, guest_abi::BootStage stage, const Error& error);

// kind << 24 | value; a value beyond 24 bits is cut to them.
uint32_t exit_report_word(ExitKind kind, uint32_t value);

class HostReporter {
 public:
  // Gets access to the control ports. Without it (no I/O permission) marks are lost and nothing
  // else.
  HostReporter();

  void enter(guest_abi::BootStage stage);  // mark to the host
  void running();                          // after the last stage
  void done(std::string_view text);        // log line of the stage that was entered
  guest_abi::BootStage stage() const { return stage_; }
  static uint32_t last_stage();  // that any reporter entered; for a signal handler

  // Opens hvc0 once it exists and writes what waited.
  void open_console();

  // The last acts: drain consoles, report to the host, reset the machine.
  // `exit_status`: of the entry point that could not be started (kFailureStatusShift), or 0.
  [[noreturn]] void fail(guest_abi::BootStage stage, const Error& error, uint32_t exit_status = 0);
  [[noreturn]] void exit(ExitKind kind, uint32_t value);

 private:
  void write_line(const std::string& line);

  guest_abi::BootStage stage_ = guest_abi::BootStage::pid1;
  UniqueFd console_;
  std::string waiting_;
};

// The exit report and the reset alone, safe in a signal handler and when memory is gone.
[[noreturn]] void report_and_reset(ExitKind kind, uint32_t value);

}  // namespace bartizan::guest::init::host
