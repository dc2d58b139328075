// The KRUN footer of a disk and the configuration in it.
#include "image/parts/krun.hpp"

#include <gtest/gtest.h>

namespace bartizan::image {
namespace {

TEST(KrunFooter, EndsWholeBlocks) {
  for (size_t size : {0, 1, 4083, 4084, 4085, 8180}) {
    std::string json(size, 'j');
    Bytes footer = parts::krun_footer(json);
    EXPECT_EQ(footer.size() % 4096, 0u);
    EXPECT_EQ(parts::parse_krun_footer(footer).value(), json);
  }
  EXPECT_EQ(parts::krun_footer(std::string(4084, 'j')).size(), 4096u);
}

TEST(KrunFooter, RefusesLies) {
  Bytes footer = parts::krun_footer("{}");
  auto changed = [&](size_t from_end, uint8_t value) {
    Bytes copy = footer;
    copy[copy.size() - from_end] = value;
    return parts::parse_krun_footer(copy);
  };
  EXPECT_EQ(changed(12, 'k').error().code, ErrorCode::corrupt);
  EXPECT_EQ(changed(6, 1).error().code, ErrorCode::corrupt);  // 64 KiB more than there is
  EXPECT_EQ(changed(1, 0xff).error().code, ErrorCode::corrupt);
  EXPECT_EQ(parts::parse_krun_footer(Bytes(5)).error().code, ErrorCode::corrupt);
}

TEST(KrunConfig, RoundTripAndBounds) {
  parts::KrunConfig config{"id", "https://x", 3, 700};
  auto again = parts::parse_krun_json(parts::krun_json(config).value()).value();
  EXPECT_EQ(again.workload_id, "id");
  EXPECT_EQ(again.vcpus, 3u);
  EXPECT_EQ(again.ram_mib, 700u);
  EXPECT_EQ(parts::parse_krun_json(parts::krun_json({"id", "", 256, 1}).value()).error().code,
            ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::image
