// Station 10: the workload as a process, and PID 1's life beside it.
#pragma once

#include <sys/types.h>

#include <functional>

#include "bartizan/machine.hpp"
#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"
#include "guest/process_config.hpp"

namespace bartizan::guest {

// hvc1, raw: bytes pass as they are.
Result<UniqueFd> open_terminal();

// Starts it in a session of its own on `terminal`, as `who`, with what a container may do and no
// more. Errors of the steps before exec and of exec itself come back here. SIGCHLD is blocked from
// now on: supervise() reads it.
Result<pid_t> start_workload(const ProcessConfig& config, const Credentials& who, int terminal);

// Paths to try for the program, in order (execvp's rule, by the image's PATH).
std::vector<std::string> program_candidates(const std::string& program, std::string_view path);

// A byte from the host -> the signal that the workload gets, or 0: SIGTERM becomes the image's
// StopSignal.
int forwarded_signal(uint8_t from_host, int stop_signal);

struct WorkloadEnd {
  ExitKind kind = ExitKind::exit_code;
  uint32_t value = 0;
};

struct Supervision {
  pid_t workload = -1;
  int stop_signal = 15;
  int event_fd = -1;                    // readable: call `check`
  std::function<Result<void>()> check;  // fails when the disk turned out corrupt
  UniqueFd signals;                     // from the host; may be invalid
};

// Until the workload ends: reaps every child, forwards signals, watches the disk. Then nothing else
// is left alive.
Result<WorkloadEnd> supervise(Supervision supervision);

}  // namespace bartizan::guest
