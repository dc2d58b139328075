// What is thrown in a thread of ours ends neither the process nor, in silence, the work.
#include "base/thread.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <new>
#include <stdexcept>

#include "base/event_loop.hpp"

namespace bartizan {
namespace {

TEST(CallGuarded, WhatIsThrownBecomesAnError) {
  EXPECT_TRUE(call_guarded("work", [] {}).ok());
  auto memory = call_guarded("work", [] { throw std::bad_alloc(); });
  EXPECT_EQ(memory.error().code, ErrorCode::resource_exhausted);
  auto text = call_guarded("work", [] { throw std::runtime_error("a caller's sink"); });
  EXPECT_EQ(text.error().code, ErrorCode::internal);
  EXPECT_EQ(text.error().message, "work: exception: a caller's sink");
  EXPECT_FALSE(call_guarded("work", [] { throw 7; }).ok());
}

TEST(StartThread, AnExceptionAtItsRootEndsTheThreadAlone) {
  auto thread = start_thread("test", [] { throw std::runtime_error("lost"); });
  ASSERT_TRUE(thread.ok());
  thread->join();
}

TEST(StartThread, TakesTheOpenSignalAndNoOther) {
  sigset_t before, during;
  sigemptyset(&during);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  auto thread = start_thread(
      "test", [&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &during); }, SIGUSR1);
  ASSERT_TRUE(thread.ok());
  thread->join();
  EXPECT_EQ(sigismember(&during, SIGUSR1), 0);
  EXPECT_EQ(sigismember(&during, SIGTERM), 1);
  EXPECT_EQ(sigismember(&during, SIGCHLD), 1);
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

TEST(EventLoop, WhatThrowsDoesNotTakeOtherWorkAlong) {
  auto loop = EventLoop::create().value();
  bool second = false;
  loop->post([] { throw std::runtime_error("first"); });
  loop->post([&] {
    second = true;
    loop->stop();
  });
  EXPECT_FALSE(call_guarded("loop", [&] { loop->run(); }).ok());
  EXPECT_FALSE(second);
  EXPECT_TRUE(call_guarded("loop", [&] { loop->run(); }).ok());
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace bartizan
