// The digests that src/tee computes from plans, and the ones that the fake kernel computes from
// calls, are two implementations of the same documents by two hands. They must agree on anything;
// where they do not, one of them has misread a document.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/file.hpp"
#include "fakes/tee_kernel_firmware.hpp"
#include "plan/tee/sev/digest.hpp"
#include "plan/tee/snp/digest.hpp"
#include "plan/tee/snp/id_block.hpp"
#include "plan/tee/snp/vmsa.hpp"
#include "plan/tee/tdx/digest.hpp"
#include "tee_support.hpp"

namespace bartizan::fakes {
namespace {

using plan::tee::PageKind;
using vmm::kvm::SevCommandId;
using vmm::kvm::SevFirmwareError;
using vmm::kvm::VmType;

constexpr uint64_t kSeed = 20240612;

Page random_page(std::mt19937_64& random) {
  Page page;
  for (auto& byte : page) byte = static_cast<uint8_t>(random());
  return page;
}

TEST(Agreement, SnpChain) {
  std::mt19937_64 random(kSeed);
  constexpr PageKind kKinds[] = {PageKind::normal,     PageKind::vmsa,    PageKind::zero,
                                 PageKind::unmeasured, PageKind::secrets, PageKind::cpuid};
  plan::tee::snp::LaunchDigest ours;
  SnpChain fake;
  for (int i = 0; i < 200; ++i) {
    PageKind kind = kKinds[random() % std::size(kKinds)];
    uint64_t gpa = (random() % (1ull << 36)) / kPage * kPage;
    Page page = random_page(random);
    ours.update(kind, gpa, page);
    fake.add(static_cast<uint8_t>(kind), gpa, page);
    ASSERT_EQ(ours.value(), fake.value()) << "page " << i;
  }
}

TEST(Agreement, Mrtd) {
  std::mt19937_64 random(kSeed);
  plan::tee::tdx::Mrtd ours;
  TdxChain fake;
  for (int i = 0; i < 100; ++i) {
    uint64_t gpa = (random() % (1ull << 36)) / kPage * kPage;
    Page page = random_page(random);
    bool extend = random() % 2 == 0;
    fake.page_add(gpa);
    for (uint64_t at = 0; extend && at < kPage; at += 256) {
      fake.extend(gpa + at, std::span<const uint8_t, 256>(page.data() + at, 256));
    }
    if (extend)
      ours.add_and_extend_page(gpa, page);
    else
      ours.add_page(gpa);
  }
  EXPECT_EQ(ours.finish(), fake.value());
}

kvm_segment to_kvm(const plan::tee::Segment& from) {
  kvm_segment to{};
  to.selector = from.selector;
  to.base = from.base;
  to.limit = from.limit;
  to.type = from.attributes & 15;
  to.s = from.attributes >> 4 & 1;
  to.dpl = from.attributes >> 5 & 3;
  to.present = from.attributes >> 7 & 1;
  to.avl = from.attributes >> 8 & 1;
  to.l = from.attributes >> 9 & 1;
  to.db = from.attributes >> 10 & 1;
  to.g = from.attributes >> 11 & 1;
  return to;
}

plan::tee::CpuState random_cpu(std::mt19937_64& random) {
  plan::tee::CpuState cpu;
  auto segment = [&random](uint16_t attributes) {
    auto number = static_cast<uint32_t>(random());
    return plan::tee::Segment{static_cast<uint16_t>(random()), attributes, number, random() >> 20};
  };
  cpu.rip = random();
  cpu.rsp = random();
  cpu.rbp = random();
  cpu.rsi = random();
  cpu.rdx = random();
  cpu.cr0 = 0x80000011;
  cpu.cr3 = (random() & 0xfffff) * kPage;
  cpu.cr4 = 0x20;
  cpu.efer = 0xd00;
  cpu.cs = segment(0xa9b);
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = segment(0xc93);
  cpu.ldtr = segment(0x82);
  cpu.tr = segment(0x8b);
  cpu.gdtr = {0, 0, 0xffff, random() >> 20};
  cpu.idtr = {0, 0, 0x3ff, random() >> 20};
  return cpu;
}

// As a VMM gives registers to KVM: what it read, with all that it wants changed.
void set_registers(TeeCalls& calls, const plan::tee::CpuState& cpu) {
  int vcpu = calls.vcpus[0].get();
  kvm_sregs sregs{};
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::get_sregs, &sregs), 0);
  sregs.cs = to_kvm(cpu.cs);
  sregs.ds = to_kvm(cpu.ds);
  sregs.es = to_kvm(cpu.es);
  sregs.fs = to_kvm(cpu.fs);
  sregs.gs = to_kvm(cpu.gs);
  sregs.ss = to_kvm(cpu.ss);
  sregs.ldt = to_kvm(cpu.ldtr);
  sregs.tr = to_kvm(cpu.tr);
  sregs.gdt.base = cpu.gdtr.base;
  sregs.gdt.limit = static_cast<uint16_t>(cpu.gdtr.limit);
  sregs.idt.base = cpu.idtr.base;
  sregs.idt.limit = static_cast<uint16_t>(cpu.idtr.limit);
  sregs.cr0 = cpu.cr0;
  sregs.cr3 = cpu.cr3;
  sregs.cr4 = cpu.cr4;
  sregs.efer = cpu.efer;
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::set_sregs, &sregs), 0);
  kvm_regs regs{};
  regs.rip = cpu.rip;
  regs.rsp = cpu.rsp;
  regs.rbp = cpu.rbp;
  regs.rsi = cpu.rsi;
  regs.rdx = cpu.rdx;
  regs.rflags = cpu.rflags;
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::set_regs, &regs), 0);
}

void start_snp(TeeCalls& calls) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  ASSERT_EQ(calls.init2(), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  vmm::kvm::SnpLaunchStart start;
  start.policy = kDefaultSnpPolicy;
  ASSERT_EQ(calls.sev_command(SevCommandId::snp_launch_start, &start), 0);
}

TEST(Agreement, Vmsa) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 50; ++i) {
    TeeCalls calls;
    start_snp(calls);
    plan::tee::CpuState cpu = random_cpu(random);
    set_registers(calls, cpu);
    vmm::kvm::SnpLaunchFinish finish;
    ASSERT_EQ(calls.sev_command(SevCommandId::snp_launch_finish, &finish), 0);
    Bytes ours = plan::tee::snp::vmsa_page(cpu, {.sev_features = plan::tee::snp::kSnpActive});
    const Page& fake = calls.machine().record().vmsas[0];
    for (size_t at = 0; at < fake.size(); ++at) {
      ASSERT_EQ(ours[at], fake[at]) << "offset " << std::hex << at;
    }
  }
}

struct IdBlockAgreement : ::testing::Test {
  void SetUp() override {
    start_snp(calls);
    SnpChain chain;
    chain.add(SnpChain::kVmsaType, SnpChain::kVmsaGpa,
              make_vmsa(reset_registers(), {.sev_features = 1}, false));
    fields.launch_digest = chain.value();
  }
  int finish(const std::optional<crypto::EcKey>& author) {
    auto id_key = crypto::EcKey::generate(crypto::Curve::p384).value();
    auto block = plan::tee::snp::id_block(fields);
    auto auth = plan::tee::snp::id_auth(block, id_key, author).value();
    vmm::kvm::SnpLaunchFinish wish;
    wish.id_block_uaddr = reinterpret_cast<uint64_t>(block.data());
    wish.id_auth_uaddr = reinterpret_cast<uint64_t>(auth.data());
    wish.id_block_en = 1;
    wish.auth_key_en = author.has_value();
    int result = calls.sev_command(SevCommandId::snp_launch_finish, &wish);
    EXPECT_TRUE(result != 0 || calls.machine().record().id_key_digest ==
                                   plan::tee::snp::key_digest(id_key).value());
    return result;
  }
  TeeCalls calls;
  plan::tee::snp::IdBlockFields fields;
};

TEST_F(IdBlockAgreement, OursIsAccepted) {
  EXPECT_EQ(finish(std::nullopt), 0);
}

TEST_F(IdBlockAgreement, OursWithAuthorIsAccepted) {
  EXPECT_EQ(finish(crypto::EcKey::generate(crypto::Curve::p384).value()), 0);
}

TEST_F(IdBlockAgreement, AnotherDigestIsRefused) {
  fields.launch_digest[47] ^= 1;
  EXPECT_EQ(finish(std::nullopt), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_measurement);
}

// The published blocks of virtee/sev's tests: the fake firmware accepts what another implementation
// signed.
TEST(FakeFirmware, AcceptsPublishedSignatures) {
  auto path =
      std::filesystem::path(BARTIZAN_SOURCE_DIR) / "../shared/vectors/measure/test_auth_block.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "vectors are absent";
  Bytes auth = read_file(path, 8192).value();
  plan::tee::snp::IdBlockFields fields;
  auto digest = from_hex(
      "a14d638341e5674628fe1e02fbedebe5e5ab4faf1dd72d8966068e615bb99efd"
      "13d214b35c231715b38e263dc6059745");
  std::copy(digest->begin(), digest->end(), fields.launch_digest.begin());
  auto block = plan::tee::snp::id_block(fields);
  std::span<const uint8_t, kIdAuthBytes> auth_bytes(auth.data(), kIdAuthBytes);
  IdBlockCheck check{block, auth_bytes, true, fields.launch_digest, fields.policy};
  EXPECT_EQ(check.check(), SevFirmwareError::success);
  block[0x30] ^= 1;
  EXPECT_EQ(check.check(), SevFirmwareError::bad_signature);
}

// SEV has no addresses in its digest, SEV-ES has the VMSA in it.
TEST(Agreement, SevEs) {
  std::mt19937_64 random(kSeed);
  TeeCalls calls;
  HostMemory memory(8 * kPage);
  ASSERT_EQ(calls.create_vm(VmType::sev_es), 0);
  ASSERT_EQ(calls.init2(), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  vmm::kvm::SevLaunchStart start{.policy = 5};
  ASSERT_EQ(calls.sev_command(SevCommandId::launch_start, &start), 0);
  plan::tee::LaunchPlan plan;
  plan.tee = Tee::sev_es;
  for (uint64_t gpa : {0x1000, 0x5000}) {
    Page page = random_page(random);
    std::copy(page.begin(), page.end(), memory.data() + gpa);
    auto bytes = std::make_shared<Bytes>(page.begin(), page.end());
    plan.items.push_back({{gpa}, PageKind::normal, "page", kPage, bytes});
    vmm::kvm::SevLaunchUpdateData update{memory.address() + gpa, kPage};
    ASSERT_EQ(calls.sev_command(SevCommandId::launch_update_data, &update), 0);
  }
  plan.cpus.push_back(random_cpu(random));
  set_registers(calls, plan.cpus[0]);
  ASSERT_EQ(calls.sev_command(SevCommandId::launch_update_vmsa), 0);
  auto ours = plan::tee::sev::launch_digest(plan);
  EXPECT_EQ(calls.machine().record().digest, std::vector<uint8_t>(ours.begin(), ours.end()));
}

}  // namespace
}  // namespace bartizan::fakes
