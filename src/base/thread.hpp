// The library's threads. It lives in other people's processes: an exception that leaves a thread's
// root would end them (std::terminate), so none leaves; a signal that a library thread took would
// be missing elsewhere, so all are blocked.
#pragma once

#include <functional>
#include <string_view>
#include <thread>

#include "bartizan/result.hpp"

namespace bartizan {

// Calls it. What it throws becomes an error: resource_exhausted for lack of memory, else internal
// with the exception's text. `what` names the work in the message.
Result<void> call_guarded(std::string_view what, const std::function<void()>& work);

// What a thread does to itself before its first step: give up rights, say. The kernel hands such
// things on, so the threads that it starts do not do it again.
using ThreadSetup = std::function<Result<void>()>;

// Starts a thread that calls `body`. The body handles what can fail in it with call_guarded();
// what it throws all the same ends the thread in silence, and nothing else. `open_signal` is the
// one signal that the thread takes; 0: none. An error has the errno of the system's refusal, or is
// that of `setup`, for which it waits: then `body` is not called.
Result<std::thread> start_thread(std::string_view what, std::function<void()> body,
                                 int open_signal = 0, ThreadSetup setup = {});

// For what ends by itself and nobody is there to join. `body` is gone when it counts as ended.
Result<void> start_unjoined(std::string_view what, std::function<void()> body);
// Until those that were started so far have ended: before an interpreter goes away that they call.
void wait_for_unjoined();

// This thread was started by start_thread(): a callback runs on it, say.
bool on_library_thread();

}  // namespace bartizan
