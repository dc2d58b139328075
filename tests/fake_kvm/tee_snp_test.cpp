// SEV-SNP on the fake kernel: the order that KVM's documentation gives passes, every mistake of the
// list in README.md is refused with the errno and firmware code of a real host, and the digest is
// the specification's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "fakes/golden.hpp"
#include "tee_id_block.hpp"
#include "tee_support.hpp"

namespace bartizan::fakes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::kvm::SevCommandId;
using vmm::kvm::SevFirmwareError;
using vmm::kvm::SnpPageType;
using vmm::kvm::VmType;

constexpr uint64_t kPolicy = 0x30000;

struct SnpLaunch {
  // Up to LAUNCH_START, all RAM private, one vCPU.
  void prepare() {
    ASSERT_EQ(calls.create_vm(VmType::snp), 0);
    ASSERT_EQ(calls.enable_cap(vmm::kvm::kCapExitHypercall, 1 << 12), 0);
    ASSERT_EQ(calls.init2(), 0);
    ASSERT_EQ(calls.add_private_slot(0, 0, memory), 0);
    ASSERT_EQ(calls.create_vcpu(), 0);
    ASSERT_EQ(start(), 0);
    ASSERT_EQ(calls.set_private(0, memory.size()), 0);
  }
  int start(uint64_t policy = kPolicy, uint16_t flags = 0) {
    vmm::kvm::SnpLaunchStart wish;
    wish.policy = policy;
    wish.flags = flags;
    return calls.sev_command(SevCommandId::snp_launch_start, &wish);
  }
  vmm::kvm::SnpLaunchUpdate pages(uint64_t gpa, uint64_t size, SnpPageType type) {
    vmm::kvm::SnpLaunchUpdate wish;
    wish.gfn_start = gpa / 4096;
    wish.uaddr = type == SnpPageType::zero ? 0 : source.address();
    wish.len = size;
    wish.type = static_cast<uint8_t>(type);
    return wish;
  }
  int update(vmm::kvm::SnpLaunchUpdate& wish) {
    return calls.sev_command(SevCommandId::snp_launch_update, &wish);
  }
  int update(uint64_t gpa, uint64_t size = 4096, SnpPageType type = SnpPageType::normal) {
    auto wish = pages(gpa, size, type);
    int result = update(wish);
    EXPECT_TRUE(result != 0 || wish.len == 0);
    return result;
  }
  int finish(vmm::kvm::SnpLaunchFinish wish = {}) {
    return calls.sev_command(SevCommandId::snp_launch_finish, &wish);
  }

  TeeCalls calls;
  HostMemory memory{16 * 4096};
  HostMemory source{16 * 4096};
};

struct SnpTest : ::testing::Test, SnpLaunch {};

TEST_F(SnpTest, GoodLaunch) {
  prepare();
  source[0] = 7;
  EXPECT_EQ(update(0x1000, 8192), 0);
  EXPECT_EQ(update(0x4000, 4096, SnpPageType::zero), 0);
  EXPECT_EQ(update(0x5000, 4096, SnpPageType::secrets), 0);
  EXPECT_EQ(update(0x6000, 4096, SnpPageType::unmeasured), 0);
  vmm::kvm::SnpLaunchFinish wish;
  wish.host_data[0] = 0xaa;
  wish.host_data[31] = 0xbb;
  EXPECT_EQ(finish(wish), 0);
  const LaunchRecord& record = calls.machine().record();
  EXPECT_TRUE(record.finished);
  EXPECT_EQ(record.policy, kPolicy);
  EXPECT_EQ(record.features, 1u);
  EXPECT_EQ(record.host_data[0], 0xaa);
  EXPECT_EQ(record.host_data[31], 0xbb);
  EXPECT_EQ(record.vmsas.size(), 1u);
  EXPECT_EQ(record.loaded.size(), 5u);
  EXPECT_EQ((*calls.machine().private_page(0x1000))[0], 7);
  EXPECT_EQ(source[0], 7) << "the source is copied, not encrypted in place";
  EXPECT_THAT(calls.kernel.findings(), IsEmpty());
}

TEST_F(SnpTest, Init2) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  EXPECT_EQ(calls.init2({.flags = 1}), -EINVAL);
  EXPECT_EQ(calls.init2({.vmsa_features = 1}), -EINVAL);  // SNPActive is KVM's to add
  EXPECT_EQ(calls.init2({.vmsa_features = 1 << 9}), -EINVAL);
  EXPECT_EQ(calls.init2({.ghcb_version = 1}), -EINVAL);
  EXPECT_EQ(calls.init2({.ghcb_version = 3}), -EINVAL);
  EXPECT_EQ(start(), -ENOTTY);  // before INIT2
  EXPECT_EQ(calls.init2({.vmsa_features = 1 << 5, .ghcb_version = 2}), 0);
  EXPECT_EQ(calls.init2(), -EPERM);  // now only SNP's commands
  EXPECT_EQ(calls.machine().record().features, 1u << 5 | 1);
}

TEST_F(SnpTest, Init2AfterAVcpuOrOnAnotherType) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  EXPECT_EQ(calls.init2(), -EINVAL);
  ASSERT_EQ(calls.create_vm(VmType::normal), 0);
  EXPECT_EQ(calls.init2(), -EINVAL);
}

TEST_F(SnpTest, AsidsRunOut) {
  calls.kernel.host().asids = 1;
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  ASSERT_EQ(calls.init2(), 0);
  UniqueFd first = std::move(calls.vm);
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  EXPECT_EQ(calls.init2(), -EBUSY);
  first.reset();
  EXPECT_EQ(calls.init2(), 0);
}

TEST_F(SnpTest, OldCommandsAfterInit2) {
  prepare();
  vmm::kvm::SevGuestStatus status;
  EXPECT_EQ(calls.sev_command(SevCommandId::guest_status, &status), -EPERM);
  vmm::kvm::SevLaunchMeasure measure;
  EXPECT_EQ(calls.sev_command(SevCommandId::launch_measure, &measure), -EPERM);
  vmm::kvm::SevDebug debug;
  EXPECT_EQ(calls.sev_command(SevCommandId::debug_decrypt, &debug), -EPERM);
}

TEST_F(SnpTest, Start) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  ASSERT_EQ(calls.init2(), 0);
  EXPECT_EQ(start(kPolicy, 1), -EINVAL);
  EXPECT_EQ(start(kPolicy | 1 << 18), -EINVAL);      // MIGRATE_MA: not in KVM's mask
  EXPECT_EQ(start(kPolicy & ~(1u << 17)), -EINVAL);  // must be one
  EXPECT_EQ(start(kPolicy | 2 << 8), -EIO);          // ABI 2.0 wanted
  EXPECT_EQ(calls.error, SevFirmwareError::policy_failure);
  vmm::kvm::SnpLaunchStart wish;
  wish.policy = kPolicy;
  EXPECT_EQ(calls.sev_command(SevCommandId::snp_launch_start, &wish, 0), -ENOTTY);
  EXPECT_EQ(start(), 0);
  EXPECT_EQ(start(), -EINVAL);
}

TEST_F(SnpTest, UpdateBeforeStart) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  EXPECT_EQ(update(0), -EINVAL);
  ASSERT_EQ(calls.init2(), 0);
  EXPECT_EQ(update(0), -EINVAL);
  EXPECT_EQ(finish(), -EINVAL);
}

TEST_F(SnpTest, UpdateArguments) {
  prepare();
  auto expect = [this](auto change, int result) {
    auto wish = pages(0x1000, 4096, SnpPageType::normal);
    change(wish);
    EXPECT_EQ(update(wish), result);
  };
  using Update = vmm::kvm::SnpLaunchUpdate;
  expect([](Update& u) { u.len = 0; }, -EINVAL);
  expect([](Update& u) { u.len = 4095; }, -EINVAL);
  expect([](Update& u) { u.flags = 1; }, -EINVAL);
  for (uint8_t type : {0, 2, 7}) expect([type](Update& u) { u.type = type; }, -EINVAL);
  expect([](Update& u) { u.uaddr = 0; }, -EINVAL);
  expect([](Update& u) { u.uaddr += 16; }, -EINVAL);
  // An address where a frame number belongs.
  expect([](Update& u) { u.gfn_start = 0x1000; }, -EINVAL);
  EXPECT_EQ(calls.machine().record().loaded.size(), 0u);
}

TEST_F(SnpTest, UpdateWithoutGuestMemfd) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  ASSERT_EQ(calls.init2(), 0);
  ASSERT_EQ(calls.set_region(calls.region(0, 0, memory)), 0);
  ASSERT_EQ(start(), 0);
  ASSERT_EQ(calls.set_private(0, memory.size()), 0);
  EXPECT_EQ(update(0x1000), -EINVAL);
}

TEST_F(SnpTest, UpdateOfASharedPage) {
  prepare();
  ASSERT_EQ(calls.set_private(0x1000, 4096, false), 0);
  EXPECT_EQ(update(0x1000), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::success);  // not the firmware's refusal
}

TEST_F(SnpTest, UpdateWithoutTheDevice) {
  prepare();
  auto wish = pages(0x1000, 4096, SnpPageType::normal);
  EXPECT_EQ(calls.sev_command(SevCommandId::snp_launch_update, &wish, 0), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::success);
}

TEST_F(SnpTest, UpdateTwice) {
  prepare();
  EXPECT_EQ(update(0x1000), 0);
  EXPECT_EQ(update(0x1000), -EIO);
}

TEST_F(SnpTest, UpdateFromBadMemory) {
  prepare();
  auto wish = pages(0x1000, 4096, SnpPageType::normal);
  wish.uaddr = 0x1000;
  EXPECT_EQ(update(wish), -EIO);
  EXPECT_EQ(calls.sev_command(SevCommandId::snp_launch_update, nullptr), -EFAULT);
}

// Failure on a later page is success for those before it.
TEST_F(SnpTest, PartialSuccess) {
  prepare();
  ASSERT_EQ(calls.set_private(0x3000, 4096, false), 0);
  auto wish = pages(0x1000, 4 * 4096, SnpPageType::normal);
  EXPECT_EQ(update(wish), 0);
  EXPECT_EQ(wish.gfn_start, 3u);
  EXPECT_EQ(wish.uaddr, source.address() + 2 * 4096);
  EXPECT_EQ(wish.len, 2u * 4096);
  EXPECT_EQ(update(wish), -EIO);
  EXPECT_EQ(calls.machine().record().loaded.size(), 2u);
}

TEST_F(SnpTest, SignalInTheMiddle) {
  prepare();
  calls.kernel.host().interrupt_after_pages = 3;
  auto wish = pages(0x1000, 5 * 4096, SnpPageType::normal);
  EXPECT_EQ(update(wish), 0);
  EXPECT_EQ(wish.len, 2u * 4096);
  EXPECT_EQ(update(wish), 0);
  EXPECT_EQ(wish.len, 0u);
}

TEST_F(SnpTest, RangeIsClippedAtTheSlotsEnd) {
  prepare();
  auto wish = pages(15 * 4096, 2 * 4096, SnpPageType::normal);
  EXPECT_EQ(update(wish), 0);
  EXPECT_EQ(wish.len, 4096u);
  EXPECT_EQ(update(wish), -EINVAL);  // no slot there
}

TEST_F(SnpTest, CpuidPageIsCorrectedOnceAndThenAccepted) {
  prepare();
  uint32_t count = 1;
  CpuidPageEntry entry;
  entry.eax_in = 7;
  entry.ebx = 1 << 1 | 1 << 3;
  entry.edx = 5;
  std::memcpy(source.data(), &count, sizeof count);
  std::memcpy(source.data() + 16, &entry, sizeof entry);
  EXPECT_EQ(update(0x1000, 4096, SnpPageType::cpuid), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_parameter);
  std::memcpy(&entry, source.data() + 16, sizeof entry);
  EXPECT_EQ(entry.ebx, 1u << 3);
  EXPECT_EQ(entry.edx, 0u);
  EXPECT_EQ(update(0x1000, 4096, SnpPageType::cpuid), 0);
}

TEST_F(SnpTest, CpuidPageWithTooManyEntries) {
  prepare();
  source[0] = 65;
  EXPECT_EQ(update(0x1000, 4096, SnpPageType::cpuid), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_parameter);
}

TEST_F(SnpTest, FinishArguments) {
  prepare();
  vmm::kvm::SnpLaunchFinish wish;
  wish.flags = 1;
  EXPECT_EQ(finish(wish), -EINVAL);
  wish.flags = 0;
  EXPECT_EQ(calls.sev_command(SevCommandId::snp_launch_finish, &wish, 0), -EBADF);
  EXPECT_EQ(finish(wish), 0);
  EXPECT_EQ(finish(wish), -EINVAL);  // VMSAs are the guest's already
}

TEST_F(SnpTest, UpdateAfterFinish) {
  prepare();
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(update(0x1000), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_guest_state);
}

TEST_F(SnpTest, RegistersAreTheGuestsAfterFinish) {
  prepare();
  kvm_regs regs{};
  kvm_sregs sregs{};
  EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::get_regs, &regs), 0);
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::get_regs, &regs), -EINVAL);
  EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::set_regs, &regs), -EINVAL);
  EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::get_sregs, &sregs), -EINVAL);
  EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::set_sregs, &sregs), -EINVAL);
}

TEST_F(SnpTest, FinishWithSharedRamIsFound) {
  prepare();
  ASSERT_EQ(calls.set_private(0x3000, 4096, false), 0);
  ASSERT_EQ(finish(), 0);
  EXPECT_THAT(calls.kernel.findings(), ElementsAre(HasSubstr("0x3000 is not private")));
}

struct IdBlockTest : SnpTest {
  vmm::kvm::SnpLaunchFinish with(IdBlockMaker& maker) {
    block = maker.block();
    auth = maker.auth(block);
    vmm::kvm::SnpLaunchFinish wish;
    wish.id_block_uaddr = reinterpret_cast<uint64_t>(block.data());
    wish.id_auth_uaddr = reinterpret_cast<uint64_t>(auth.data());
    wish.id_block_en = 1;
    wish.auth_key_en = maker.with_author;
    return wish;
  }
  void SetUp() override {
    prepare();
    ASSERT_EQ(update(0x1000), 0);
    // What the digest will be: the VMSA of a vCPU that nobody touched comes last.
    SnpChain chain;
    Page page{};
    chain.add(1, 0x1000, page);
    chain.add(SnpChain::kVmsaType, SnpChain::kVmsaGpa,
              make_vmsa(reset_registers(), {.sev_features = 1}, false));
    maker.digest = chain.value();
    maker.policy = kPolicy;
  }
  IdBlockMaker maker;
  std::vector<uint8_t> block, auth;
};

TEST_F(IdBlockTest, Good) {
  EXPECT_EQ(finish(with(maker)), 0);
  EXPECT_TRUE(calls.machine().record().id_block);
  EXPECT_EQ(calls.machine().record().id_key_digest, maker.id_key_digest());
}

TEST_F(IdBlockTest, GoodWithAuthorKey) {
  maker.with_author = true;
  EXPECT_EQ(finish(with(maker)), 0);
  EXPECT_TRUE(calls.machine().record().author_key);
}

TEST_F(IdBlockTest, WrongDigestAndTheVmIsLost) {
  maker.digest[0] ^= 1;
  EXPECT_EQ(finish(with(maker)), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_measurement);
  maker.digest[0] ^= 1;
  EXPECT_EQ(finish(with(maker)), -EINVAL) << "the VMSAs are encrypted: no second try";
}

TEST_F(IdBlockTest, WrongPolicy) {
  maker.policy |= 1 << 19;
  EXPECT_EQ(finish(with(maker)), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::policy_failure);
}

TEST_F(IdBlockTest, BadSignature) {
  auto wish = with(maker);
  block[0x30] ^= 1;  // family ID, after it was signed
  EXPECT_EQ(finish(wish), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_signature);
}

TEST_F(IdBlockTest, BadAuthorSignature) {
  maker.with_author = true;
  auto wish = with(maker);
  auth[0x680] ^= 1;
  EXPECT_EQ(finish(wish), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::bad_signature);
}

TEST_F(IdBlockTest, UnknownAlgorithmOrVersion) {
  auto wish = with(maker);
  auth[0] = 2;
  EXPECT_EQ(finish(wish), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_parameter);
}

TEST_F(IdBlockTest, AuthorKeyWithoutIdBlock) {
  vmm::kvm::SnpLaunchFinish wish;
  wish.auth_key_en = 1;
  EXPECT_EQ(finish(wish), -EIO);
  EXPECT_EQ(calls.error, SevFirmwareError::invalid_parameter);
}

TEST_F(SnpTest, Transcript) {
  prepare();
  ASSERT_EQ(update(0x1000, 8192), 0);
  ASSERT_EQ(finish(), 0);
  expect_golden("by_hand_snp", calls.kernel.transcript());
}

// Registers as they were set; CR4.MCE, EFER.SVME and the FPU as KVM adds them (offsets: APM,
// "VMSA").
TEST_F(SnpTest, VmsaIsMadeOfTheRegistersAndKvmsRules) {
  prepare();
  kvm_sregs sregs{};
  int vcpu = calls.vcpus[0].get();
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::get_sregs, &sregs), 0);
  EXPECT_EQ(sregs.ds.type, 3);  // reading shows the accessed bit
  sregs.cs.type = 0xb;
  sregs.cs.l = 1;
  sregs.cs.g = 1;
  sregs.cs.selector = 0x10;
  sregs.cs.base = 0;
  sregs.cs.limit = 0xffffffff;
  sregs.cr0 = 0xe0000011;
  sregs.cr4 = 0x20;
  sregs.efer = 0x500;
  sregs.cr3 = 0x9000;
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::set_sregs, &sregs), 0);
  kvm_regs regs{};
  regs.rip = 0x100200;
  regs.rsi = 0x7000;
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::set_regs, &regs), 0);
  ASSERT_EQ(finish(), 0);
  const Page& vmsa = calls.machine().record().vmsas[0];
  auto word = [&vmsa](size_t at) {
    uint64_t value = 0;
    std::memcpy(&value, vmsa.data() + at, sizeof value);
    return value;
  };
  EXPECT_EQ(word(0x10), 0xffffffff'0a9b'0010u);  // CS: 64-bit code, limit, selector
  EXPECT_EQ(word(0x30) >> 16 & 0xffff, 0x93u);   // DS
  EXPECT_EQ(word(0xd0), 0x1500u);
  EXPECT_EQ(word(0x148), 0x60u);
  EXPECT_EQ(word(0x150), 0x9000u);
  EXPECT_EQ(word(0x158), 0x80000011u);
  EXPECT_EQ(word(0x160), 0x400u);
  EXPECT_EQ(word(0x168), 0xffff0ff0u);
  EXPECT_EQ(word(0x170), 2u);
  EXPECT_EQ(word(0x178), 0x100200u);
  EXPECT_EQ(word(0x330), 0x7000u);
  EXPECT_EQ(word(0x310), 0u);  // RDX as set, not 0x600
  EXPECT_EQ(word(0x268), 0x0007040600070406u);
  EXPECT_EQ(word(0x3b0), 1u);
  EXPECT_EQ(word(0x3e8), 1u);
  EXPECT_EQ(static_cast<uint32_t>(word(0x408)), 0x1f80u);
  EXPECT_EQ(static_cast<uint16_t>(word(0x410)), 0x37fu);
}

TEST_F(SnpTest, LongModeNeedsPaeAndTheCBitInCpuid) {
  prepare();
  int vcpu = calls.vcpus[0].get();
  kvm_sregs sregs{};
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::get_sregs, &sregs), 0);
  sregs.cr0 = 0x80000011;
  sregs.efer = 0x500;
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::set_sregs, &sregs), -EINVAL);
  sregs.cr4 = 0x20;
  sregs.cr3 = 1ull << 51 | 0x9000;
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::set_sregs, &sregs), -EINVAL);
  struct {
    vmm::kvm::CpuidHead head{1, 0};
    kvm_cpuid_entry2 entry{};
  } table;
  table.entry.function = 0x8000001f;
  table.entry.ebx = 51 | 1 << 6;
  ASSERT_EQ(calls.call(vcpu, vmm::kvm::request::set_cpuid2, &table), 0);
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::set_sregs, &sregs), 0);
}

// One more zero page of any type changes the digest; contents count for normal pages alone.
TEST_F(SnpTest, WhatTheDigestCovers) {
  auto digest_of = [](SnpPageType type, uint64_t gpa, uint8_t content) {
    SnpLaunch other;
    other.prepare();
    other.source[100] = content;
    EXPECT_EQ(other.update(gpa, 4096, type), 0);
    EXPECT_EQ(other.finish(), 0);
    return other.calls.machine().record().digest;
  };
  auto base = digest_of(SnpPageType::normal, 0x1000, 1);
  EXPECT_NE(base, digest_of(SnpPageType::normal, 0x1000, 2));
  EXPECT_NE(base, digest_of(SnpPageType::normal, 0x2000, 1));
  EXPECT_NE(base, digest_of(SnpPageType::unmeasured, 0x1000, 1));
  EXPECT_EQ(digest_of(SnpPageType::unmeasured, 0x1000, 1),
            digest_of(SnpPageType::unmeasured, 0x1000, 2));
  EXPECT_NE(digest_of(SnpPageType::secrets, 0x1000, 1), digest_of(SnpPageType::zero, 0x1000, 1));
}

}  // namespace
}  // namespace bartizan::fakes
