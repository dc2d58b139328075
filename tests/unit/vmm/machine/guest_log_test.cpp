// The log console's bytes become lines.
#include "vmm/machine/guest_log.hpp"

#include <gtest/gtest.h>

namespace bartizan::vmm::machine {
namespace {

TEST(GuestLog, LinesAreCleanAndBounded) {
  std::vector<std::string> lines;
  LineSplitter splitter([&](std::string_view line) { lines.emplace_back(line); });
  splitter.add(as_bytes("one\r\ntw"));
  splitter.add(as_bytes("o\x1b[2Jx\n"));
  splitter.add(Bytes(kMaxLogLine + 10, 'a'));
  splitter.finish();
  splitter.finish();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "one");
  EXPECT_EQ(lines[1], "two?[2Jx");
  EXPECT_EQ(lines[2].size(), kMaxLogLine);
  EXPECT_EQ(lines[3].size(), 10u);
}

}  // namespace
}  // namespace bartizan::vmm::machine
