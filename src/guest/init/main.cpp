// bartizan-init: PID 1 of the guest. It never returns, never leaves a process of its own behind,
// and every way out, exceptions and aborts too, ends in a report to the host and a reset.
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "base/errors.hpp"
#include "guest/init/host/host_reporter.hpp"
#include "guest/init/stages/boot_stages.hpp"
#include "guest/init/workload/hardening.hpp"

int main() {
  using namespace bartizan;  // NOLINT: the program's whole business
  if (::getpid() != 1) {
    std::fputs(
        "bartizan-init is the first process of a bartizan guest and does nothing anywhere else\n",
        stderr);
    return 1;
  }
  guest::init::workload::protect_process();
  guest::init::host::HostReporter report;
  try {
    guest::init::stages::run_boot_stages(report);
  } catch (const std::exception& exception) {
    report.fail(report.stage(),
                make_error(ErrorCode::internal, "guest", "exception: {}", exception.what()));
  } catch (...) {
    guest::init::host::report_and_reset(ExitKind::guest_failure,
                                        static_cast<uint32_t>(report.stage()));
  }
}
