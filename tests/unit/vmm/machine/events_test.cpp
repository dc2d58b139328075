#include "vmm/machine/events.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace bartizan::vmm::machine {
namespace {

using namespace std::chrono_literals;

bool readable(const Events& events) {
  pollfd wish{events.fd(), POLLIN, 0};
  return ::poll(&wish, 1, 0) == 1;
}

TEST(Events, DescriptorIsReadableWhileOneWaits) {
  auto events = *Events::create({});
  EXPECT_FALSE(readable(*events));
  EXPECT_FALSE(events->next().has_value());
  events->happened(MachineEvent::ready);
  events->happened(MachineEvent::ready);
  events->happened(MachineEvent::exited);
  EXPECT_TRUE(readable(*events));
  EXPECT_EQ(events->next(), MachineEvent::ready);
  EXPECT_TRUE(readable(*events));
  EXPECT_EQ(events->next(), MachineEvent::exited);
  EXPECT_FALSE(readable(*events));
}

TEST(Events, AWaitEndsWithTheEventWithTheGuestAndWithTheLimit) {
  auto events = *Events::create({});
  events->wait_for(MachineEvent::ready, 1ms);
  EXPECT_FALSE(events->has(MachineEvent::ready));
  std::thread waiter([&] { events->wait_for(MachineEvent::ready, {}); });
  std::thread in_vain([&] { events->wait_for(MachineEvent::attested, {}); });
  events->happened(MachineEvent::ready);
  waiter.join();
  events->happened(MachineEvent::exited);
  in_vain.join();
  EXPECT_TRUE(events->has(MachineEvent::ready));
  EXPECT_FALSE(events->has(MachineEvent::attested));
}

TEST(Events, SinkHearsEachOnceAndMayTakeIt) {
  std::vector<MachineEvent> heard;
  Events* self = nullptr;
  auto events = *Events::create([&](MachineEvent event) {
    heard.push_back(event);
    EXPECT_EQ(self->next(), event);
  });
  self = events.get();
  for (int i = 0; i < 2; ++i) events->happened(MachineEvent::attested);
  events->happened(MachineEvent::exited);
  EXPECT_EQ(heard, (std::vector{MachineEvent::attested, MachineEvent::exited}));
}

}  // namespace
}  // namespace bartizan::vmm::machine
