#include "boot/page_tables.hpp"

#include <gtest/gtest.h>

#include "boot/layout.hpp"

namespace bartizan::boot {
namespace {

// Walks the tables as the processor does; each entry must carry the C-bit, which is not part of the
// address.
std::optional<uint64_t> translate(const Bytes& tables, uint64_t at, uint8_t c_bit,
                                  uint64_t address) {
  uint64_t c = c_bit == 0 ? 0 : 1ull << c_bit, table = at;
  for (int shift = 39; shift >= 21; shift -= 9) {
    uint64_t offset = table - at + (address >> shift & 511) * 8;
    if (offset + 8 > tables.size()) return std::nullopt;
    auto entry = load_le<uint64_t>(&tables[offset]);
    if ((entry & 3) != 3 || (entry & c) != c) return std::nullopt;
    table = entry & ~c & 0x000ffffffffff000;
    if (shift == 21)
      return (entry & 0x80) ? std::optional(table + (address & 0x1fffff)) : std::nullopt;
  }
  return std::nullopt;
}

TEST(PageTables, MapTheFirst4GibToThemselves) {
  for (uint8_t c_bit : {uint8_t{0}, uint8_t{39}, uint8_t{51}}) {
    auto tables = identity_page_tables(kPageTablesAddress, c_bit);
    ASSERT_EQ(tables.size(), kPageTablesBytes);
    for (uint64_t address = 0x123; address < 1ull << 32; address += 0x1ff000) {
      EXPECT_EQ(translate(tables, kPageTablesAddress, c_bit, address), address);
    }
    EXPECT_EQ(translate(tables, kPageTablesAddress, c_bit, 1ull << 32), std::nullopt);
  }
}

TEST(PageTables, LieBelowTheCommandLine) {
  EXPECT_LE(kPageTablesAddress + kPageTablesBytes, kCommandLineAddress);
}

}  // namespace
}  // namespace bartizan::boot
