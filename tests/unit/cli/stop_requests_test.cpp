// Which signal asks a workload to end, and which one ends it.
#include "cli/stop_requests.hpp"

#include <gtest/gtest.h>

namespace bartizan::cli {
namespace {

// timeout(1) signals its child, and within a millisecond the group that the child is in.
TEST(StopRequests, SignalsWithinASecondAreOne) {
  StopRequests requests;
  EXPECT_EQ(requests.take(5000), StopRequest::first);
  EXPECT_EQ(requests.take(5000), StopRequest::repeated);
  EXPECT_EQ(requests.take(5001), StopRequest::repeated);
  EXPECT_EQ(requests.take(5999), StopRequest::repeated);
  EXPECT_EQ(requests.take(6000), StopRequest::again);
  EXPECT_EQ(requests.take(60'000), StopRequest::again);
}

TEST(StopRequests, TheFirstMayComeRightAfterTheMachinesStart) {
  StopRequests requests;
  EXPECT_EQ(requests.take(0), StopRequest::first);
  EXPECT_EQ(requests.take(1), StopRequest::repeated);
}

}  // namespace
}  // namespace bartizan::cli
