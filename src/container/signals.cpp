#include "container/signals.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace bartizan::container {
namespace {

constexpr int kSignals = 64;

// SIGRTMIN + 4 is the library's.
bool is_taken(int number) {
  switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGCHLD:
    case SIGPIPE:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGSYS:
    case SIGSTKFLT:
      return false;
    default:
      return number < 32 || (number >= SIGRTMIN && number != SIGRTMIN + 4);
  }
}

// Everything here is signal-safe.
std::atomic<Context*> running{nullptr};
std::atomic<uint64_t> waiting{0};  // by their numbers
static_assert(std::atomic<Context*>::is_always_lock_free &&
              std::atomic<uint64_t>::is_always_lock_free);

void on_signal(int number) {
  const int saved = errno;
  if (Context* context = running.load())
    context->send_signal(number);
  else
    waiting |= uint64_t{1} << number;
  errno = saved;
}

std::array<struct sigaction, kSignals> before;

}  // namespace

Signals::Signals() {
  struct sigaction action = {};
  action.sa_flags = SA_RESTART;
  for (int number = 1; number < kSignals; ++number) {
    if (!is_taken(number) && number != SIGPIPE) continue;
    action.sa_handler = number == SIGPIPE ? SIG_IGN : on_signal;
    sigaction(number, &action, &before[number]);
  }
}

Signals::~Signals() {
  for (int number = 1; number < kSignals; ++number)
    if (is_taken(number) || number == SIGPIPE) sigaction(number, &before[number], nullptr);
}

SignalPath::SignalPath(Context& context) {
  running = &context;
  const uint64_t early = waiting.exchange(0);
  for (int number = 1; number < kSignals; ++number)
    if (early >> number & 1) context.send_signal(number);
}

SignalPath::~SignalPath() {
  running = nullptr;
}

}  // namespace bartizan::container
