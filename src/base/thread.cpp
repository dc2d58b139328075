#include "base/thread.hpp"

#include <cxxabi.h>
#include <signal.h>

#include <new>
#include <system_error>

#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr const char* kOrigin = "base/thread";

}  // namespace

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

Result<std::thread> start_thread(std::string_view what, std::function<void()> body,
                                 int open_signal) {
  sigset_t quiet, before;
  ::sigfillset(&quiet);
  if (open_signal != 0) ::sigdelset(&quiet, open_signal);
  ::pthread_sigmask(SIG_SETMASK, &quiet, &before);
  std::thread thread;
  int failure = 0;
  try {
    thread = std::thread([body = std::move(body)] {
      try {
        body();
      } catch (abi::__forced_unwind&) {
        throw;
      } catch (...) {  // call_guarded() would make a message, for which there may be no memory
      }
    });
  } catch (const std::system_error& error) {
    failure = error.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != 0) return errno_error(failure, kOrigin, fmt::format("{}: thread", what));
  return thread;
}

}  // namespace bartizan
