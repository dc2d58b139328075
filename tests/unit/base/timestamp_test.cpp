#include "base/timestamp.hpp"

#include <gtest/gtest.h>

namespace bartizan {
namespace {

TEST(Timestamps, AreReadAndWritten) {
  EXPECT_EQ(parse_rfc3339("2026-11-30T12:00:00Z"), 1'796'040'000);
  EXPECT_EQ(rfc3339(1'796'040'000), "2026-11-30T12:00:00Z");
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_TRUE(parse_rfc3339("2028-02-29T00:00:00Z"));
}

// A typing error must not become another day.
TEST(Timestamps, DaysThatDoNotExistAreNone) {
  for (const char* text : {"2026-02-30T00:00:00Z", "2027-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
                           "2026-11-30T24:00:00Z", "2026-11-30T23:60:00Z", "2026-11-30T23:59:60Z",
                           "2026-13-01T00:00:00Z", "2026-1-01T00:00:000Z", "2026-11-30 12:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace bartizan
