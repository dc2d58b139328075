// Stage workload: the workload as a process, and PID 1's life beside it.
#pragma once

#include <sys/types.h>

#include <functional>

#include "bartizan/machine.hpp"
#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"
#include "guest/init/workload/listening_ports.hpp"
#include "guest/init/workload/process_config.hpp"
#include "guest/init/workload/streams.hpp"

namespace bartizan::guest::init::workload {

// Starts it in a session of its own, as `who`, with what a container may do and no more. Errors of
// the steps before exec and of exec itself come back here. SIGCHLD is blocked from now on:
// supervise() reads it.
Result<pid_t> start_workload(const ProcessConfig& config, const Credentials& who,
                             const Streams& streams);

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
  bool any_signal = true;               // of the host; else SIGTERM alone
  int event_fd = -1;                    // readable: call `check`
  std::function<Result<void>()> check;  // fails when the disk turned out corrupt
  UniqueFd signals;                     // from the host; may be invalid
  ListeningPorts listening;
  Streams streams;
};

// Until the workload ends: reaps every child, forwards signals and streams, watches the disk. Then
// nothing else is left alive, and the host has all output.
Result<WorkloadEnd> supervise(Supervision supervision);

}  // namespace bartizan::guest::init::workload
