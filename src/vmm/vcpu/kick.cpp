#include "vmm/vcpu/kick.hpp"

#include <signal.h>

#include <cerrno>

#include "base/errors.hpp"

namespace bartizan::vmm::vcpu {
namespace {

constexpr int kKickOffset = 4;  // from SIGRTMIN; the first few are popular with others

void do_nothing(int) {}

}  // namespace

int kick_signal() {
  return SIGRTMIN + kKickOffset;
}

Result<void> prepare_kick_signal() {
  struct sigaction current {};
  if (::sigaction(kick_signal(), nullptr, &current) != 0)
    return errno_error(errno, "vcpu", "sigaction");
  bool plain = (current.sa_flags & SA_SIGINFO) == 0;
  if (plain && current.sa_handler == SIG_IGN) {
    return make_error(ErrorCode::invalid_state, "vcpu",
                      "signal SIGRTMIN+{} is ignored by this process", kKickOffset);
  }
  if (!plain || current.sa_handler != SIG_DFL) return {};
  struct sigaction action {};
  action.sa_handler = do_nothing;  // without SA_RESTART: KVM_RUN must return
  if (::sigaction(kick_signal(), &action, nullptr) != 0)
    return errno_error(errno, "vcpu", "sigaction");
  return {};
}

}  // namespace bartizan::vmm::vcpu
