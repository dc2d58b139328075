// SEV, SEV-ES and TDX digests, each written a second time as one buffer that is hashed whole.
#include <gtest/gtest.h>

#include "plan/tee/sev/digest.hpp"
#include "plan/tee/tdx/digest.hpp"

namespace bartizan::plan::tee {
namespace {

LaunchPlan plan_for(Tee tee) {
  LaunchPlan plan;
  plan.tee = tee;
  auto bytes = [](size_t size) { return std::make_shared<const Bytes>(Bytes(size, 0x5a)); };
  plan.items = {{{0x4000}, PageKind::normal, "a", 2 * 4096, bytes(5000)},
                {{0x1000}, PageKind::zero, "b", 4096, nullptr},
                {{0x2000}, PageKind::unmeasured, "c", 4096, nullptr},
                {{0x9000}, PageKind::secrets, "d", 4096, nullptr},
                {{0xa000}, PageKind::cpuid, "e", 4096, nullptr}};
  plan.cpus.resize(2);
  plan.cpus[0].rip = 0x1234;
  return plan;
}

void append(Bytes* to, const Bytes& more) {
  to->insert(to->end(), more.begin(), more.end());
}

Bytes loaded_bytes() {
  Bytes whole(5000, 0x5a);
  whole.resize(3 * 4096);
  return whole;
}

TEST(SevDigest, AllLoadedBytesInOrder) {
  EXPECT_EQ(to_hex(sev::launch_digest(plan_for(Tee::sev))), to_hex(crypto::sha256(loaded_bytes())));
}

TEST(SevDigest, EsAddsRegisters) {
  auto plan = plan_for(Tee::sev_es);
  Bytes whole = loaded_bytes();
  for (const auto& cpu : plan.cpus) append(&whole, snp::vmsa_page(cpu, 0));
  EXPECT_EQ(to_hex(sev::launch_digest(plan)), to_hex(crypto::sha256(whole)));
}

// Before 6.10 the page differs in MXCSR and the control word, and nowhere else.
TEST(SevDigest, VmsaBefore610) {
  CpuState cpu;
  cpu.rdx = 0xa00f11;
  auto since = snp::vmsa_page(cpu, {.sev_features = 0});
  auto before = snp::vmsa_page(cpu, {0, HostKernel::before_6_10});
  EXPECT_EQ(load_le<uint64_t>(&since[0x310]), 0xa00f11u);
  EXPECT_EQ(load_le<uint32_t>(&since[0x408]), 0x1f80u);
  EXPECT_EQ(load_le<uint16_t>(&since[0x410]), 0x37fu);
  for (size_t at : {0x408, 0x409, 0x410, 0x411}) since[at] = 0;
  EXPECT_EQ(to_hex(since), to_hex(before));
}

Bytes tdx_record(const char* name, uint64_t address) {
  Bytes record(128);
  std::copy_n(reinterpret_cast<const uint8_t*>(name), strlen(name), record.begin());
  for (int i = 0; i < 8; i++) record[16 + i] = static_cast<uint8_t>(address >> (8 * i));
  return record;
}

void append_measured_page(Bytes* to, uint64_t address, const uint8_t* page) {
  append(to, tdx_record("MEM.PAGE.ADD", address));
  for (uint64_t offset = 0; offset < 4096; offset += 256) {
    append(to, tdx_record("MR.EXTEND", address + offset));
    append(to, Bytes(page + offset, page + offset + 256));
  }
}

TEST(TdxDigest, RecordsInCallOrder) {
  Bytes content = loaded_bytes(), whole;
  append_measured_page(&whole, 0x4000, content.data());
  append_measured_page(&whole, 0x5000, content.data() + 4096);
  append_measured_page(&whole, 0x1000, content.data() + 8192);
  append(&whole, tdx_record("MEM.PAGE.ADD", 0x2000));
  EXPECT_EQ(to_hex(tdx::launch_digest(plan_for(Tee::tdx))), to_hex(crypto::sha384(whole)));
}

// A page whose content is not measured is not free: its address is.
TEST(TdxDigest, OneMoreUnmeasuredPageCounts) {
  auto plan = plan_for(Tee::tdx);
  const auto base = tdx::launch_digest(plan);
  plan.items[2].size += 4096;
  EXPECT_NE(tdx::launch_digest(plan), base);
}

TEST(TdxDigest, RegistersAndOtherKindsDoNotCount) {
  auto plan = plan_for(Tee::tdx);
  const auto base = tdx::launch_digest(plan);
  plan.cpus.resize(7);
  plan.items.resize(3);
  EXPECT_EQ(tdx::launch_digest(plan), base);
}

}  // namespace
}  // namespace bartizan::plan::tee
