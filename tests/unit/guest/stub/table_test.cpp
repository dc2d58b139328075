#include "guest/stub/table.hpp"

#include <gtest/gtest.h>

#include "unit/guest/stub/launch.hpp"

namespace bartizan::guest::stub {
namespace {

using namespace test;  // NOLINT
using guest_abi::StubPlatform;
using guest_abi::StubTable;

constexpr StubPlatform kAll[] = {StubPlatform::none,   StubPlatform::simulated, StubPlatform::sev,
                                 StubPlatform::sev_es, StubPlatform::snp,       StubPlatform::tdx};

TEST(StubTableCheck, GoodTables) {
  for (StubPlatform platform : kAll) EXPECT_EQ(check_table(test::good_table(platform)), kDone);
}

TEST(StubTableCheck, Extremes) {
  StubTable table = test::good_table(StubPlatform::snp);
  table.range_count = 64;
  for (uint64_t i = 4; i < 64; i++) table.ranges[i] = {0x200000000 + (i << 30), 1 << 18};
  table.ranges[63] = {1ull << 46, (1ull << 46) / 4096};  // up to the C-bit
  EXPECT_EQ(check_table(table), kDone);
  table = test::good_table(StubPlatform::sev);
  table.blobs[test::kInitrd].source = guest_abi::kStagingEnd - 4096;
  table.blobs[test::kInitrd].destination = guest_abi::kStagingAddress - 4096;
  table.blobs[test::kAcpi].destination = 0x60000;
  table.kernel_entry = 0x1000000 + 70'000;
  EXPECT_EQ(check_table(table), kDone);
}

TEST(StubTableCheck, RangesMayTogetherCoverABlob) {
  StubTable table = test::good_table(StubPlatform::tdx);
  table.range_count = 5;
  table.ranges[4] = table.ranges[3];
  table.ranges[2] = {0x1000000, 5};
  table.ranges[3] = {0x1005000, 16 * 512 - 5};
  EXPECT_EQ(check_table(table), kDone);
  table.ranges[3] = {0x1006000, 16 * 512 - 6};
  EXPECT_EQ(check_table(table), StubRefusal::table);
}

struct Mistake {
  const char* name;
  void (*make)(StubTable*);
  StubPlatform platform = StubPlatform::snp;
};

class StubTableMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(StubTableMistakes, IsRefused) {
  StubTable table = test::good_table(GetParam().platform);
  GetParam().make(&table);
  EXPECT_EQ(check_table(table), StubRefusal::table);
}

const Mistake kMistakes[] = {
    {"Magic", [](StubTable* t) { t->magic++; }},
    {"Version", [](StubTable* t) { t->version = 2; }},
    {"Platform", [](StubTable* t) { t->platform = 6; }},
    {"NoVcpus", [](StubTable* t) { t->vcpus = 0; }},
    {"BitOfNone", [](StubTable* t) { t->address_bit = 47; }, StubPlatform::none},
    {"NoBit", [](StubTable* t) { t->address_bit = 0; }},
    {"LowBit", [](StubTable* t) { t->address_bit = 31; }, StubPlatform::sev},
    {"HighBit", [](StubTable* t) { t->address_bit = 52; }},
    {"ShiftOutOfTheWord", [](StubTable* t) { t->address_bit = 64; }},
    {"BlobCount", [](StubTable* t) { t->blob_count = 9; }},
    {"BlobCountHuge", [](StubTable* t) { t->blob_count = 0xffffffff; }},
    {"RangeCount", [](StubTable* t) { t->range_count = 65; }},
    {"RangesOfNone",
     [](StubTable* t) {
       t->ranges[t->range_count++] = {0, 1};
     },
     StubPlatform::none},
    {"RangesOfSevEs",
     [](StubTable* t) {
       t->ranges[t->range_count++] = {0, 1};
     },
     StubPlatform::sev_es},
    {"NoBlobs", [](StubTable* t) { t->blob_count = 0; }},
    {"NoKernel", [](StubTable* t) { t->blobs[test::kKernel] = t->blobs[--t->blob_count]; }},
    {"NoBootParams", [](StubTable* t) { t->blobs[test::kBootParams] = t->blobs[--t->blob_count]; }},
    {"TwoKernels", [](StubTable* t) { t->blobs[test::kInitrd].kind = 1; }},
    {"KindZero", [](StubTable* t) { t->blobs[test::kAcpi].kind = 0; }},
    {"KindUnknown", [](StubTable* t) { t->blobs[test::kAcpi].kind = 7; }},
    {"SecretOfAnotherSize", [](StubTable* t) { t->blobs[test::kAcpi].kind = 6; }},
    {"SecretStaged", [](StubTable* t) { t->blobs[test::kInitrd].kind = 6; }},
    {"Reserved", [](StubTable* t) { t->blobs[test::kAcpi].reserved = 1; }},
    {"BlobEmpty", [](StubTable* t) { t->blobs[test::kInitrd].size = 0; }},
    {"BlobUnaligned", [](StubTable* t) { t->blobs[test::kInitrd].destination += 16; }},
    {"BlobHuge", [](StubTable* t) { t->blobs[test::kInitrd].size = ~0ull; }},
    {"BlobWraps", [](StubTable* t) { t->blobs[test::kAcpi].destination = ~0ull << 12; }},
    {"BlobInStaging",
     [](StubTable* t) { t->blobs[test::kAcpi].destination = guest_abi::kStagingAddress; }},
    {"BlobIntoStaging",
     [](StubTable* t) {
       t->blobs[test::kAcpi].destination = guest_abi::kStagingAddress - 4096;
       t->blobs[test::kAcpi].size = 4097;
     }},
    {"BlobOnPageZero", [](StubTable* t) { t->blobs[test::kAcpi].destination = 0; }},
    {"BlobOnStub",
     [](StubTable* t) { t->blobs[test::kAcpi].destination = guest_abi::kStubAddress; }},
    {"BlobOnTables",
     [](StubTable* t) { t->blobs[test::kAcpi].destination = guest_abi::kStubReservedEnd - 4096; }},
    {"BlobIntoStub", [](StubTable* t) { t->blobs[test::kAcpi].size = 64 * 1024 + 1; },
     StubPlatform::sev},
    {"BlobOnCpuidPage", [](StubTable* t) { t->blobs[test::kAcpi].destination = 0x2000; }},
    {"BlobOnSecrets", [](StubTable* t) { t->blobs[test::kCommandLine].destination = 0x4000; }},
    {"BlobsOverlap", [](StubTable* t) { t->blobs[test::kInitrd].destination = 0x1011000; }},
    {"SourceInGhcb",
     [](StubTable* t) { t->blobs[test::kInitrd].source = guest_abi::kStagingAddress; }},
    {"SourceInRam", [](StubTable* t) { t->blobs[test::kInitrd].source = 0x1800000; }},
    {"SourceBehind", [](StubTable* t) { t->blobs[test::kInitrd].source = guest_abi::kStagingEnd; }},
    {"SourceOverEnd",
     [](StubTable* t) { t->blobs[test::kInitrd].source = guest_abi::kStagingEnd - 4095; }},
    {"NotInARange", [](StubTable* t) { t->ranges[2].pages = 0x10; }},
    {"NotInARangeTdx", [](StubTable* t) { t->blobs[test::kInitrd].destination = 0x3000000; },
     StubPlatform::tdx},
    {"EntryBefore", [](StubTable* t) { t->kernel_entry = 0xffffff; }},
    {"EntryBehind", [](StubTable* t) { t->kernel_entry = 0x1000000 + 70'001; }},
    {"BootParamsElsewhere", [](StubTable* t) { t->boot_params = 0x40000; }},
    {"RangeUnaligned", [](StubTable* t) { t->ranges[1].address += 8; }},
    {"RangeEmpty", [](StubTable* t) { t->ranges[1].pages = 0; }},
    {"RangeWraps", [](StubTable* t) { t->ranges[3].pages = 1ull << 52; }},
    {"RangeOverBit", [](StubTable* t) { t->ranges[3].address = 1ull << test::kBit; }},
    {"RangeIntoBit",
     [](StubTable* t) {
       t->ranges[3] = {(1ull << test::kBit) - 4096, 2};
     }},
    {"RangesDescend", [](StubTable* t) { std::swap(t->ranges[0], t->ranges[1]); }},
    {"RangesOverlap", [](StubTable* t) { t->ranges[1].pages = 0xf01; }},
    {"RangeInStaging",
     [](StubTable* t) {
       t->ranges[3] = {guest_abi::kStagingAddress, 1};
     }},
    {"RangeBelow4GiB",
     [](StubTable* t) {
       t->ranges[3] = {guest_abi::kTdxResetPage, 1};
     },
     StubPlatform::tdx},
};

INSTANTIATE_TEST_SUITE_P(All, StubTableMistakes, testing::ValuesIn(kMistakes),
                         [](const auto& mistake) { return mistake.param.name; });

}  // namespace
}  // namespace bartizan::guest::stub
