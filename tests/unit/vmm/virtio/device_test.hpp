// Every device test runs four times: on plain memory and on memory that changes on second read,
// with a driver that uses the event index and indirect tables, and with one that has neither. Those
// of disks run eight times: by threads and by io_uring.
#pragma once

#include <gtest/gtest.h>

#include "fakes/guest_driver.hpp"

namespace bartizan::vmm::virtio {

struct Variant {
  bool racing;
  bool modern;  // EVENT_IDX and INDIRECT_DESC
  bool ring = false;
};

class DeviceTest : public ::testing::TestWithParam<Variant> {
 protected:
  void launch(const fakes::GuestDriver::Make& make, uint16_t queue_size = 64) {
    guest_ = std::make_unique<fakes::GuestDriver>(
        fakes::GuestDriver::Options{queue_size, GetParam().modern, GetParam().modern,
                                    GetParam().racing},
        make);
    ASSERT_TRUE(guest_->start());
  }
  bool modern() const { return GetParam().modern; }

  std::unique_ptr<fakes::GuestDriver> guest_;
};

#define BARTIZAN_DEVICE_TEST(suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(Memory, suite,                                                  \
                           ::testing::Values(Variant{false, true}, Variant{true, true},    \
                                             Variant{false, false}, Variant{true, false}), \
                           [](const auto& info) {                                          \
                             return std::string(info.param.racing ? "Racing" : "Plain") +  \
                                    (info.param.modern ? "" : "OldDriver");                \
                           })

#define BARTIZAN_DISK_TEST(suite)                                                                 \
  INSTANTIATE_TEST_SUITE_P(                                                                       \
      Engines, suite,                                                                             \
      ::testing::Values(Variant{false, true, false}, Variant{true, true, false},                  \
                        Variant{false, false, false}, Variant{true, false, false},                \
                        Variant{false, true, true}, Variant{true, true, true},                    \
                        Variant{false, false, true}, Variant{true, false, true}),                 \
      [](const auto& info) {                                                                      \
        return std::string(info.param.ring ? "Ring" : "Threads") +                                \
               (info.param.racing ? "Racing" : "Plain") + (info.param.modern ? "" : "OldDriver"); \
      })

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace bartizan::vmm::virtio
