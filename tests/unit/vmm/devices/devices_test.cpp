// Buses under any address and width, and the control device under any word.
#include <gtest/gtest.h>

#include "guest_abi/boot_stages.hpp"
#include "vmm/devices/bus.hpp"
#include "vmm/devices/control.hpp"

namespace bartizan::vmm::devices {
namespace {

class Probe final : public BusDevice {
 public:
  uint64_t read(uint64_t offset, uint32_t size) override {
    last = {offset, size};
    return 0x1122334455667788;
  }
  void write(uint64_t offset, uint32_t size, uint64_t value) override {
    last = {offset, size};
    written = value;
  }
  std::pair<uint64_t, uint32_t> last;
  uint64_t written = 0;
};

TEST(Bus, LeadsToTheDeviceWithItsOwnOffset) {
  Bus bus;
  auto device = std::make_shared<Probe>();
  ASSERT_TRUE(bus.add(0x1000, 0x10, device).ok());
  EXPECT_EQ(bus.read(0x1004, 4), 0x55667788u);
  EXPECT_EQ(device->last, (std::pair<uint64_t, uint32_t>{4, 4}));
  bus.write(0x100f, 1, 0xabcd);
  EXPECT_EQ(device->written, 0xcdu);
}

TEST(Bus, WhatNobodyClaimsReadsAsAllOnes) {
  Bus bus;
  auto device = std::make_shared<Probe>();
  ASSERT_TRUE(bus.add(0x1000, 0x10, device).ok());
  device->written = 7;
  EXPECT_EQ(bus.read(0xfff, 1), 0xffu);
  EXPECT_EQ(bus.read(0x1010, 2), 0xffffu);
  EXPECT_EQ(bus.read(0x100e, 4), 0xffffffffu) << "passes the end of the range";
  EXPECT_EQ(bus.read(UINT64_MAX, 8), ~0ull);
  EXPECT_EQ(bus.read(0x1000, 3), 0xffffffu) << "no processor has such a width";
  bus.write(0x100e, 4, 1);
  bus.write(0xfff, 2, 1);
  EXPECT_EQ(device->written, 7u);
}

TEST(Bus, RangesAreDisjoint) {
  Bus bus;
  auto device = std::make_shared<Probe>();
  ASSERT_TRUE(bus.add(0x1000, 0x10, device).ok());
  EXPECT_FALSE(bus.add(0x0ff8, 0x10, device).ok());
  EXPECT_FALSE(bus.add(0x1008, 1, device).ok());
  EXPECT_FALSE(bus.add(0x2000, 0, device).ok());
  EXPECT_FALSE(bus.add(UINT64_MAX, 2, device).ok());
  EXPECT_TRUE(bus.add(0x1010, 1, device).ok());
  EXPECT_TRUE(bus.add(0x0ff0, 0x10, device).ok());
}

TEST(Control, TakesMarksAndTheExitReport) {
  std::vector<uint32_t> stages;
  std::pair<uint32_t, uint32_t> exit{99, 99};
  ControlDevice control({[&](uint32_t number) { stages.push_back(number); },
                         [&](uint32_t kind, uint32_t value) {
                           exit = {kind, value};
                         }});
  control.write(0, 4, 1);
  control.write(0, 4, guest_abi::kStageCount);
  control.write(0, 4, guest_abi::kRunningMark);
  control.write(4, 4, 2u << 24 | 6);
  EXPECT_EQ(stages, (std::vector<uint32_t>{1, guest_abi::kStageCount, guest_abi::kRunningMark}));
  EXPECT_EQ(exit, (std::pair<uint32_t, uint32_t>{2, 6}));
}

TEST(Control, IgnoresEverythingElse) {
  int calls = 0;
  ControlDevice control({[&](uint32_t) { ++calls; }, [&](uint32_t, uint32_t) { ++calls; }});
  control.write(0, 4, 0);
  control.write(0, 4, guest_abi::kRunningMark + 1);
  control.write(0, 4, 0xffffffff);
  control.write(0, 1, 1);
  control.write(1, 4, 1);
  control.write(4, 2, 1);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(control.read(0, 4), ~0ull);
}

}  // namespace
}  // namespace bartizan::vmm::devices
