#include "plan/tee/snp/ovmf.hpp"

#include <gtest/gtest.h>

#include "unit/plan/tee/sample_ovmf.hpp"

namespace bartizan::plan::tee::snp {
namespace {

TEST(Ovmf, TableAndMetadataAreRead) {
  auto ovmf = parse_ovmf(sample_ovmf()).value();
  EXPECT_EQ(ovmf.address(), 0x100000000 - 3 * 4096);
  EXPECT_EQ(ovmf.reset_address, 0x80b004u);
  EXPECT_EQ(ovmf.hash_table_address, 0x810c00u);
  ASSERT_EQ(ovmf.sections.size(), 5u);
  EXPECT_EQ(ovmf.sections[1].address, 0x80d000u);
  EXPECT_EQ(ovmf.sections[1].kind, OvmfSectionKind::secrets);
  EXPECT_EQ(ovmf.sections[4].size, 0xf000u);
  EXPECT_TRUE(ovmf.has(OvmfSectionKind::kernel_hashes));
  EXPECT_FALSE(ovmf.has(OvmfSectionKind::svsm_caa));
}

TEST(Ovmf, UnknownEntriesAreSteppedOver) {
  SampleOvmf sample;
  sample.more = {{guid("4c2eb361-7d9b-4cc3-8081-127c90d3d294"), Bytes(40, 1)},
                 {guid("e47a6535-984a-4798-865e-4685a7bf8ec2"), Bytes()}};
  EXPECT_EQ(parse_ovmf(sample_ovmf(sample)).value().sections.size(), 5u);
}

TEST(Ovmf, WithoutTableThereIsTheImageAlone) {
  SampleOvmf sample;
  sample.footer = false;
  auto ovmf = parse_ovmf(sample_ovmf(sample)).value();
  EXPECT_FALSE(ovmf.reset_address);
  EXPECT_TRUE(ovmf.sections.empty());
}

TEST(Ovmf, HashTableAtZeroIsNone) {
  SampleOvmf sample;
  sample.hash_table = 0;
  EXPECT_FALSE(parse_ovmf(sample_ovmf(sample)).value().hash_table_address);
}

void expect_corrupt(Bytes image, std::string_view word) {
  auto ovmf = parse_ovmf(std::move(image));
  ASSERT_FALSE(ovmf.ok()) << word;
  EXPECT_EQ(ovmf.error().code, ErrorCode::corrupt);
  EXPECT_NE(ovmf.error().message.find(word), std::string::npos) << ovmf.error().message;
}

TEST(Ovmf, SizesThatNoFirmwareHas) {
  expect_corrupt({}, "0 bytes");
  expect_corrupt(Bytes(4095), "4095 bytes");
  expect_corrupt(Bytes(kMaxOvmfBytes + 4096), "not of 1 to");
}

TEST(Ovmf, LyingLengths) {
  const Bytes good = sample_ovmf();
  const size_t footer = good.size() - 32 - 18;
  for (uint16_t length : {0, 17, 0xffff}) {
    Bytes bad = good;
    store_le(&bad[footer], length);
    expect_corrupt(bad, "table entry of");
    bad = good;
    store_le(&bad[footer - 18], length);  // the last entry's
    expect_corrupt(bad, "table entry of");
  }
  SampleOvmf short_entry;
  short_entry.reset.reset();
  short_entry.more = {{guid("00f771de-1a7e-4fcb-890e-68c77e2fb44e"), Bytes(3)}};
  expect_corrupt(sample_ovmf(short_entry), "has 3 bytes");
}

TEST(Ovmf, HashTableBeyondTheFirmwaresEnd) {
  SampleOvmf sample;
  sample.hash_table = 0xffffff51;  // 175 bytes before 4 GiB
  expect_corrupt(sample_ovmf(sample), "hash table at 0xffffff51");
  sample.hash_table = 0xffffff50;
  EXPECT_TRUE(parse_ovmf(sample_ovmf(sample)).ok());
}

TEST(Ovmf, SameEntryTwice) {
  SampleOvmf sample;
  sample.more = {{guid("00f771de-1a7e-4fcb-890e-68c77e2fb44e"), little_endian(1)}};
  expect_corrupt(sample_ovmf(sample), "twice");
}

TEST(Ovmf, MetadataOutsideTheImage) {
  for (uint32_t at : {0u, 15u, 3u * 4096 + 1, 0xffffffffu}) {
    SampleOvmf sample;
    sample.metadata_at = at;
    if (at < 16) sample.sections.resize(1);  // so that the table is not overwritten
    Bytes image = sample_ovmf({.metadata_at = 2048});
    Bytes table = sample_table(sample), full = sample_table({});
    if (table.size() == full.size()) {
      std::copy(table.begin(), table.end(),
                image.end() - 32 - static_cast<ptrdiff_t>(table.size()));
    }
    expect_corrupt(image, "before the end");
  }
}

TEST(Ovmf, MetadataHeader) {
  const Bytes good = sample_ovmf();
  const size_t header = good.size() - 2048;
  auto changed = [&](size_t offset, uint32_t word) {
    Bytes bad = good;
    store_le(&bad[header + offset], word);
    return bad;
  };
  expect_corrupt(changed(0, 0x56455342), "magic");
  expect_corrupt(changed(8, 2), "version 2");
  expect_corrupt(changed(12, 6), "6 sections");
  expect_corrupt(changed(12, 0xffffffff), "sections in");
  expect_corrupt(changed(4, 0xffffffff), "sections in");
  expect_corrupt(changed(4, 4096), "5 sections in 4096");
}

// A section of 4 GiB would keep a measurer busy for minutes.
TEST(Ovmf, SectionsThatCannotBe) {
  for (SampleSection bad : {SampleSection{0x800001, 0x1000, 1},
                            {0x800000, 0x1001, 1},
                            {0x800000, 0, 1},
                            {0xfffff000, 0x2000, 1},
                            {0x800000, 0x2000, 3},
                            {0x800000, 0x1000, 0},
                            {0x800000, 0x1000, 5},
                            {0x800000, 0x7ffff000, 1}}) {
    SampleOvmf sample;
    sample.sections = {bad};
    expect_corrupt(sample_ovmf(sample), "SEV metadata");
  }
  SampleOvmf many;
  many.sections.assign(kMaxOvmfSections + 1, {0x800000, 0x1000, 1});
  many.metadata_at = 4096;
  expect_corrupt(sample_ovmf(many), "65 sections");
}

}  // namespace
}  // namespace bartizan::plan::tee::snp
