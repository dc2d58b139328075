#include "plan/tee/snp/vmsa.hpp"

#include <gtest/gtest.h>

#include <map>

namespace bartizan::plan::tee::snp {
namespace {

// A second writing of the page, from the offsets in the APM, field by field: the golden page of
// KVM's rules.
TEST(Vmsa, GoldenPage) {
  CpuState cpu;
  cpu.rip = 0x1000200;
  cpu.rsp = 0x8ff0;
  cpu.rbp = 0x8fe0;
  cpu.rsi = 0x7000;
  cpu.cr0 = 0x80050033 | 0x60000000;
  cpu.cr3 = 0x8000009000;
  cpu.cr4 = 0x20;
  cpu.efer = 0x500;
  cpu.cs = {0x10, 0xa9b, 0xffffffff, 0x1122334455667788};
  cpu.ss = {0x18, 0xc93 | 3 << 5, 0xffffffff, 0};
  cpu.tr = {0, 0x8b, 0xffff, 0};
  cpu.gdtr = {0, 0, 31, 0x6000};
  std::map<size_t, std::pair<uint64_t, int>> expected = {{0x10, {0x10, 2}},
                                                         {0x12, {0xa9b, 2}},
                                                         {0x14, {0xffffffff, 4}},
                                                         {0x18, {0x1122334455667788, 8}},
                                                         {0x20, {0x18, 2}},
                                                         {0x22, {0xcf3, 2}},
                                                         {0x24, {0xffffffff, 4}},
                                                         {0x64, {31, 4}},
                                                         {0x68, {0x6000, 8}},
                                                         {0x92, {0x8b, 2}},
                                                         {0x94, {0xffff, 4}},
                                                         {0xcb, {3, 1}},
                                                         {0xd0, {0x1500, 8}},
                                                         {0x148, {0x60, 8}},
                                                         {0x150, {0x8000009000, 8}},
                                                         {0x158, {0x80050033, 8}},
                                                         {0x160, {0x400, 8}},
                                                         {0x168, {0xffff0ff0, 8}},
                                                         {0x170, {2, 8}},
                                                         {0x178, {0x1000200, 8}},
                                                         {0x1d8, {0x8ff0, 8}},
                                                         {0x268, {0x0007040600070406, 8}},
                                                         {0x328, {0x8fe0, 8}},
                                                         {0x330, {0x7000, 8}},
                                                         {0x3b0, {1, 8}},
                                                         {0x3e8, {1, 8}},
                                                         {0x408, {0x1f80, 4}},
                                                         {0x410, {0x37f, 2}}};
  Bytes golden(4096);
  for (const auto& [offset, field] : expected) {
    for (int i = 0; i < field.second; i++)
      golden[offset + i] = static_cast<uint8_t>(field.first >> (8 * i));
  }
  auto page = vmsa_page(cpu);
  ASSERT_EQ(page.size(), 4096u);
  for (size_t i = 0; i < 4096; i++) EXPECT_EQ(page[i], golden[i]) << std::hex << i;
}

TEST(Vmsa, SevFeaturesAreTheCallers) {
  EXPECT_EQ(load_le<uint64_t>(&vmsa_page({}, 0)[0x3b0]), 0u);
  EXPECT_EQ(load_le<uint64_t>(&vmsa_page({}, 0x21)[0x3b0]), 0x21u);
}

}  // namespace
}  // namespace bartizan::plan::tee::snp
