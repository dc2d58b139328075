// The KRUN footer of a disk and the configuration in it.
#include "image/builder/krun.hpp"

#include <gtest/gtest.h>

namespace bartizan::image {
namespace {

TEST(KrunFooter, EndsWholeBlocks) {
  for (size_t size : {0, 1, 4083, 4084, 4085, 8180}) {
    std::string json(size, 'j');
    Bytes footer = builder::krun_footer(json);
    EXPECT_EQ(footer.size() % 4096, 0u);
    EXPECT_EQ(builder::parse_krun_footer(footer).value(), json);
  }
  EXPECT_EQ(builder::krun_footer(std::string(4084, 'j')).size(), 4096u);
}

TEST(KrunFooter, RefusesLies) {
  Bytes footer = builder::krun_footer("{}");
  auto changed = [&](size_t from_end, uint8_t value) {
    Bytes copy = footer;
    copy[copy.size() - from_end] = value;
    return builder::parse_krun_footer(copy);
  };
  EXPECT_EQ(changed(12, 'k').error().code, ErrorCode::corrupt);
  EXPECT_EQ(changed(6, 1).error().code, ErrorCode::corrupt);  // 64 KiB more than there is
  EXPECT_EQ(changed(1, 0xff).error().code, ErrorCode::corrupt);
  EXPECT_EQ(builder::parse_krun_footer(Bytes(5)).error().code, ErrorCode::corrupt);
}

TEST(KrunConfig, RoundTripAndBounds) {
  builder::KrunConfig config{"id", "https://x", 3, 700};
  auto again = builder::parse_krun_json(builder::krun_json(config).value()).value();
  EXPECT_EQ(again.workload_id, "id");
  EXPECT_EQ(again.vcpus, 3u);
  EXPECT_EQ(again.ram_mib, 700u);
  EXPECT_EQ(builder::parse_krun_json(builder::krun_json({"id", "", 256, 1}).value()).error().code,
            ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::image
