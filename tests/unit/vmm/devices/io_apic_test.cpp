// The I/O APIC: what a guest writes, and which messages follow; hostile register numbers and sizes.
#include "vmm/devices/io_apic.hpp"

#include <gtest/gtest.h>

namespace bartizan::vmm::devices {
namespace {

class IoApicTest : public ::testing::Test {
 protected:
  void set(uint32_t number, uint32_t value) {
    apic.write(0, 4, number);
    apic.write(0x10, 4, value);
  }
  uint32_t get(uint32_t number) {
    apic.write(0, 4, number);
    return static_cast<uint32_t>(apic.read(0x10, 4));
  }
  std::vector<IoApic::Route> routes;
  int calls = 0;
  IoApic apic{[this](const std::vector<IoApic::Route>& now) {
    routes = now;
    ++calls;
  }};
};

TEST_F(IoApicTest, AfterResetAllLinesAreMasked) {
  for (uint32_t line = 0; line < kIoApicLines; ++line) {
    EXPECT_EQ(get(0x10 + 2 * line), 0x10000u);
    EXPECT_EQ(get(0x11 + 2 * line), 0u);
  }
  EXPECT_EQ(get(1), 0x170011u);
  EXPECT_EQ(calls, 0);
}

TEST_F(IoApicTest, UnmaskedLinesSendMessages) {
  set(0x11, 2u << 24);
  EXPECT_EQ(calls, 0) << "still masked";
  set(0x10, 0x931);  // logical, lowest priority, vector 0x31
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].line, 0u);
  EXPECT_EQ(routes[0].address, 0xfee02004u);
  EXPECT_EQ(routes[0].data, 0x4131u);
  set(0x3e, 0x55);
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[1].line, 23u);
  set(0x10, 0x10931);
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(calls, 3);
  set(0x10, 0x10931);
  EXPECT_EQ(calls, 3) << "nothing changed";
}

// A TD's end of interrupt never reaches us: a level that stays up would have to be seen again. So
// whatever the guest asks for, the message is an edge.
TEST_F(IoApicTest, LevelsAreEdges) {
  constexpr uint32_t kLevel = 1u << 15;
  set(0x10, kLevel | 0x41);
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].data & kLevel, 0u);
  EXPECT_EQ(routes[0].data & 0xff, 0x41u);
}

TEST_F(IoApicTest, ReadOnlyBitsAndIdentity) {
  set(0x10, 0xffffffff);
  EXPECT_EQ(get(0x10), 0x1afffu);
  set(0, 0xffffffff);
  EXPECT_EQ(get(0), 0x0f000000u);
  EXPECT_EQ(get(2), 0x0f000000u);
  set(1, 0);
  EXPECT_EQ(get(1), 0x170011u);
}

TEST_F(IoApicTest, RegistersThatAreNotThere) {
  for (uint32_t number : {3u, 0xfu, 0x40u, 0xffu}) {
    set(number, 0x41);
    EXPECT_EQ(get(number), 0u);
  }
  apic.write(0, 1, 0x10);
  apic.write(0x10, 8, 0x41);
  apic.write(0x14, 4, 0x41);
  EXPECT_EQ(apic.read(0x14, 4), 0u);
  EXPECT_EQ(apic.read(0x10, 2), 0u);
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace bartizan::vmm::devices
