#include "base/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <thread>

namespace bartizan {
namespace {

TEST(EventLoop, RunsPostedWorkTimersAndWatches) {
  auto loop = EventLoop::create().value();
  UniqueFd event(::eventfd(1, EFD_NONBLOCK));
  std::string order;
  loop->watch(event.get(), EPOLLIN,
              [&](uint32_t) {
                order += "w";
                loop->unwatch(event.get());
              })
      .value();
  uint64_t never = loop->call_after(5, [&] { order += "X"; });
  loop->cancel_timer(never);
  std::thread other([&] {
    loop->post([&] {
      order += "p";
      loop->call_after(
          1, [&] {  // armed here: on a loaded machine one armed above is due before the loop runs
            order += "t";
            loop->stop();
          });
    });
  });
  other.join();
  loop->run();
  EXPECT_EQ(order, "wpt");
}

}  // namespace
}  // namespace bartizan
