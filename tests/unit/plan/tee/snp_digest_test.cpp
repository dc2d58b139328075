#include "plan/tee/snp/digest.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "plan/tee/snp/vmsa.hpp"

namespace bartizan::plan::tee::snp {
namespace {

std::string hex(const LaunchDigest& digest) {
  return to_hex(digest.value());
}

// Published with sev-snp-measure's and virtee/sev's tests: the digest of OVMF's last page at the
// end of 4 GiB alone.
TEST(SnpDigest, OvmfVector) {
  auto path = std::filesystem::path(BARTIZAN_SOURCE_DIR) /
              "../shared/vectors/measure/ovmf_AmdSev_suffix.bin";
  auto page = read_file(path, 4096);
  if (!page.ok()) GTEST_SKIP() << "vectors are absent: " << path;
  LaunchDigest digest;
  digest.update_range(PageKind::normal, 0xfffff000, 4096, *page);
  EXPECT_EQ(hex(digest),
            "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50"
            "da6d466b74");
}

TEST(SnpDigest, ShortBytesAreZeroPadded) {
  Bytes content(5000, 0x5a), padded = content;
  padded.resize(3 * 4096);
  LaunchDigest whole, shortened;
  whole.update_range(PageKind::normal, 0x1000, 3 * 4096, padded);
  shortened.update_range(PageKind::normal, 0x1000, 3 * 4096, content);
  EXPECT_EQ(hex(whole), hex(shortened));
}

LaunchPlan plan() {
  LaunchPlan plan;
  plan.tee = Tee::simulated;
  plan.items.push_back(
      {{0x1000}, PageKind::normal, "a", 4096, std::make_shared<const Bytes>(Bytes(9, 1))});
  plan.items.push_back(
      {{0x2000}, PageKind::normal, "b", 4096, std::make_shared<const Bytes>(Bytes(9, 2))});
  plan.cpus.resize(1);
  return plan;
}

TEST(SnpDigest, EverythingThatIsMeasuredCounts) {
  const auto base = launch_digest(plan());
  EXPECT_EQ(launch_digest(plan()), base);
  auto moved = plan(), swapped = plan(), other_kind = plan(), other_byte = plan(),
       more_cpus = plan(), register_ = plan();
  moved.items[0].address = {0x3000};
  std::swap(swapped.items[0], swapped.items[1]);
  other_kind.items[0].kind = PageKind::unmeasured;
  other_byte.items[1].bytes = std::make_shared<const Bytes>(Bytes(9, 3));
  more_cpus.cpus.resize(2);
  register_.cpus[0].rip = 1;
  for (const auto* changed : {&moved, &swapped, &other_kind, &other_byte, &more_cpus, &register_}) {
    EXPECT_NE(launch_digest(*changed), base);
  }
}

TEST(SnpDigest, ContentOfUnmeasuredKindsDoesNotCount) {
  for (auto kind : {PageKind::zero, PageKind::unmeasured, PageKind::secrets, PageKind::cpuid}) {
    LaunchDigest with, without;
    with.update_range(kind, 0x1000, 4096, Bytes(4096, 7));
    without.update_range(kind, 0x1000, 4096);
    EXPECT_EQ(hex(with), hex(without));
  }
}

}  // namespace
}  // namespace bartizan::plan::tee::snp
