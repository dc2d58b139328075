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

TEST(GuestLog, AFloodIsCountedAndNotPassedOn) {
  using namespace std::chrono_literals;
  std::vector<std::string> lines;
  const auto start = LineLimit::Clock::now();
  LineLimit limit([&](std::string_view line) { lines.emplace_back(line); });
  constexpr size_t kFlood = 2'000'000;
  for (size_t i = 0; i < kFlood; ++i) limit.add("x", start + 1us * i);  // two seconds
  const size_t passed = lines.size();
  EXPECT_LT(passed, kLogBurst + 2 * kLogLinesPerSecond + 3) << "with the notes between";
  limit.add("later", start + 10s);
  ASSERT_EQ(lines.size(), passed + 2);
  EXPECT_EQ(lines.back(), "later");
  uint64_t noted = 0, kept = 0;
  for (const std::string& line : lines) {
    if (line[0] == '[') noted += std::stoull(line.substr(1));
    if (line == "x") ++kept;
  }
  EXPECT_EQ(noted + kept, kFlood) << "nothing goes without a word";
}

TEST(GuestLog, TheEndTellsWhatWasDropped) {
  std::vector<std::string> lines;
  const auto now = LineLimit::Clock::now();
  LineLimit limit([&](std::string_view line) { lines.emplace_back(line); });
  for (size_t i = 0; i < kLogBurst + 7; ++i) limit.add("x", now);
  limit.finish();
  limit.finish();
  ASSERT_EQ(lines.size(), kLogBurst + 1);
  EXPECT_EQ(lines.back(), "[7 lines dropped: more than 1000 each second]");
}

}  // namespace
}  // namespace bartizan::vmm::machine
