#include "base/thread.hpp"

#include <cxxabi.h>
#include <signal.h>

#include <cerrno>
#include <latch>
#include <memory>
#include <new>
#include <system_error>

#include "base/errors.hpp"
#include "base/mutex.hpp"

namespace bartizan {
namespace {

constexpr const char* kOrigin = "base/thread";

thread_local bool is_set_up = false;  // by itself or by one that it descends from
thread_local bool is_ours = false;

// A new thread's, for who starts it.
struct SetupResult {
  std::latch done{1};
  Result<void> outcome;
};

bool set_up(const ThreadSetup& setup, SetupResult& result) {
  auto called = call_guarded("setup", [&] { result.outcome = setup(); });
  if (!called.ok()) result.outcome = std::move(called);
  const bool good = is_set_up = result.outcome.ok();
  result.done.count_down();
  return good;
}

void run_to_the_end(const std::function<void()>& body) {
  try {
    body();
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {  // call_guarded() would make a message, for which there may be no memory
  }
}

// EAGAIN: the limit of threads (pthread_create(3)).
Error no_thread(std::string_view what, int failure) {
  Error error = errno_error(failure, kOrigin, fmt::format("{}: thread", what));
  if (failure == EAGAIN) error.code = ErrorCode::resource_exhausted;
  return error;
}

struct Unjoined {
  Mutex mutex;
  Condition ended;
  size_t count BARTIZAN_GUARDED_BY(mutex) = 0;
};

// Never destroyed: its threads may outlive the main function.
Unjoined& unjoined() {
  static auto* all = new Unjoined;
  return *all;
}

void count_unjoined(bool more) {
  MutexLock lock(unjoined().mutex);
  unjoined().count += more ? 1 : -1;
  unjoined().ended.notify_all();
}

}  // namespace

Result<void> start_unjoined(std::string_view what, std::function<void()> body) {
  count_unjoined(true);
  auto thread = start_thread(what, [body = std::move(body)]() mutable {
    run_to_the_end(body);
    body = nullptr;
    count_unjoined(false);
  });
  if (!thread.ok()) {
    count_unjoined(false);
    return thread.error();
  }
  thread->detach();
  return {};
}

void wait_for_unjoined() {
  Unjoined& all = unjoined();
  MutexLock lock(all.mutex);
  while (all.count != 0) all.ended.wait(lock);
}

bool on_library_thread() {
  return is_ours;
}

Result<void> call_guarded(std::string_view what, const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: out of memory", what);
  } catch (const std::exception& exception) {
    return make_error(ErrorCode::internal, kOrigin, "{}: exception: {}", what, exception.what());
  } catch (abi::__forced_unwind&) {
    throw;  // pthread_exit: Python ends threads so that call it while the interpreter goes away
  } catch (...) {
    return make_error(ErrorCode::internal, kOrigin, "{}: exception of unknown type", what);
  }
}

Result<std::thread> start_thread(std::string_view what, std::function<void()> body, int open_signal,
                                 ThreadSetup setup) {
  sigset_t quiet, before;
  ::sigfillset(&quiet);
  if (open_signal != 0) ::sigdelset(&quiet, open_signal);
  if (is_set_up) setup = {};
  auto result = std::make_shared<SetupResult>();
  ::pthread_sigmask(SIG_SETMASK, &quiet, &before);
  std::thread thread;
  int failure = 0;
  try {
    thread = std::thread([body = std::move(body), setup, result, inherited = is_set_up] {
      is_set_up = inherited;
      is_ours = true;
      if (!setup || set_up(setup, *result)) run_to_the_end(body);
    });
  } catch (const std::system_error& error) {
    failure = error.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != 0) return no_thread(what, failure);
  if (!setup) return thread;
  result->done.wait();
  if (result->outcome.ok()) return thread;
  thread.join();
  return std::move(result->outcome).error();
}

}  // namespace bartizan
