// bartizan-init: PID 1 of the guest. It never returns, never leaves a process of its own behind,
// and every way out, exceptions and aborts too, ends in a report to the host and a reset.
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "base/errors.hpp"
#include "guest/hardening.hpp"
#include "guest/journey.hpp"
#include "guest/report.hpp"

int main() {
  using namespace bartizan;  // NOLINT: the program's whole business
  if (::getpid() != 1) {
    std::fputs(
        "bartizan-init is the first process of a bartizan guest and does nothing anywhere else\n",
        stderr);
    return 1;
  }
  guest::protect_process();
  guest::Report report;
  try {
    guest::travel(report);
  } catch (const std::exception& exception) {
    report.fail(report.station(),
                make_error(ErrorCode::internal, "guest", "exception: {}", exception.what()));
  } catch (...) {
    guest::report_and_reset(ExitKind::guest_failure, static_cast<uint32_t>(report.station()));
  }
}
