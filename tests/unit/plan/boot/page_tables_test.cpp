#include "plan/boot/page_tables.hpp"

#include <gtest/gtest.h>

#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

struct Mapping {
  uint64_t address = 0;
  bool table_bits = true, page_bit = false;  // is the bit set in all tables, and in the page
};

// Walks the tables as the processor does.
std::optional<Mapping> translate(const Bytes& tables, uint64_t at, uint64_t bit, uint64_t address) {
  Mapping mapping;
  uint64_t table = at;
  for (int shift = 39; shift >= 21; shift -= 9) {
    uint64_t offset = table - at + (address >> shift & 511) * 8;
    if (offset + 8 > tables.size()) return std::nullopt;
    auto entry = load_le<uint64_t>(&tables[offset]);
    if ((entry & 3) != 3) return std::nullopt;
    table = entry & ~bit & 0x000ffffffffff000;
    bool set = bit != 0 && (entry & bit) != 0;
    if (shift != 21) {
      mapping.table_bits = mapping.table_bits && set;
      continue;
    }
    if ((entry & 0x80) == 0) return std::nullopt;
    mapping.address = table + (address & 0x1fffff);
    mapping.page_bit = set;
  }
  return mapping;
}

TEST(PageTables, MapTheFirst4GibToThemselves) {
  using Means = AddressBit::Means;
  const uint64_t at = guest_abi::kStubPageTables;
  for (AddressBit bit : {AddressBit{}, AddressBit{Means::private_, 39},
                         AddressBit{Means::private_, 51}, AddressBit{Means::shared, 47}}) {
    auto tables = identity_page_tables(at, bit);
    uint64_t mask = bit.means == Means::nothing ? 0 : 1ull << bit.position;
    ASSERT_EQ(tables.size(), kPageTablesBytes);
    for (uint64_t address = 0x123; address < 1ull << 32; address += 0x1ff000) {
      auto found = translate(tables, at, mask, address);
      ASSERT_TRUE(found) << address;
      EXPECT_EQ(found->address, address);
      EXPECT_EQ(found->table_bits, bit.means == Means::private_);
      bool host_side = address >= 0xd0000000 && address < 0xffe00000;
      bool staged = address >= 0xd1000000 && address < 0xf8000000;
      bool expected = bit.means == Means::private_ ? !host_side
                      : bit.means == Means::shared ? staged
                                                   : false;
      EXPECT_EQ(found->page_bit, expected) << address;
    }
    EXPECT_FALSE(translate(tables, at, mask, 1ull << 32));
  }
}

TEST(PageTables, LeaveTheSparePagesToTheStub) {
  EXPECT_EQ(guest_abi::kStubPageTables + kPageTablesBytes + 2 * 4096,
            guest_abi::kStubPageTablesEnd);
}

}  // namespace
}  // namespace bartizan::plan::boot
