// Stage workload: the workload as a process, and PID 1's life beside it.
#pragma once

#include <sys/types.h>

#include <functional>

#include "bartizan/machine.hpp"
#include "bartizan/result.hpp"
#include "base/pump.hpp"
#include "base/unique_fd.hpp"
#include "guest/init/workload/process_config.hpp"

namespace bartizan::guest::init::workload {

// hvc1, raw: bytes pass as they are.
Result<UniqueFd> open_terminal();

// A pipe for the workload's standard input and what fills it from `stream`, a connection to the
// host. A pipe, as in a container: a socket could not be opened again as /dev/stdin.
struct WorkloadStdin {
  UniqueFd pipe;
  Pump pump;
};
Result<WorkloadStdin> open_input(UniqueFd stream);

// Starts it in a session of its own on `terminal`, as `who`, with what a container may do and no
// more; its standard input is `input`, or the terminal too if that is -1. Errors of the steps
// before exec and of exec itself come back here. SIGCHLD is blocked from now on: supervise() reads
// it.
Result<pid_t> start_workload(const ProcessConfig& config, const Credentials& who, int terminal,
                             int input = -1);

// Of an error of start_workload: 127 if there is no such program, 126 if it cannot be executed, 0
// if another step failed.
uint32_t exit_status_of_failure(const Error& error);

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
  Pump input;                           // to the workload; may have ended
};

// Until the workload ends: reaps every child, forwards signals and input, watches the disk. Then
// nothing else is left alive.
Result<WorkloadEnd> supervise(Supervision supervision);

}  // namespace bartizan::guest::init::workload
