// SEV-SNP launches on the fake kernel: what is loaded is what was measured, and nothing is left out
// that only hardware would miss.
#include <openssl/evp.h>

#include <future>

#include "fake_kvm/launch_support.hpp"
#include "fake_kvm/tee_id_block.hpp"
#include "vmm/launch/snp/cpuid_page.hpp"

namespace bartizan::launches {
namespace {

using fakes::guest::expect_private;
using fakes::guest::expect_shared;
using fakes::guest::map_gpa;
using fakes::guest::touch_private;
using fakes::guest::touch_shared;
using fakes::guest::validate;
using fakes::guest::write_private;
using fakes::guest::write_shared;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using vmm::vcpu::End;

class SnpLaunch : public ::testing::Test, protected Launches {};

TEST_F(SnpLaunch, LaunchesWhatIsMeasured) {
  auto wanted = plan(Tee::snp);
  launch(wanted);
  EXPECT_TRUE(record().finished);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  EXPECT_EQ(record().policy, kDefaultSnpPolicy);
  EXPECT_EQ(record().vmsas.size(), 2u);
  EXPECT_EQ(record().loaded.size(), 5u + 3 + 1 + 1 + 1 + 300);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  auto digest = binding().workload_digest;
  EXPECT_EQ(record().host_data, std::vector<uint8_t>(digest.begin(), digest.end()));
  fakes::expect_golden("snp", kernel->transcript());
}

// Content reaches the guest: bytes, and the zeros behind them.
TEST_F(SnpLaunch, TheGuestSeesThePlan) {
  kernel->scripts()[0] = {fakes::guest::expect_private(0x1000 + 3 * 4096, {0xf4, 0xf4}),
                          fakes::guest::expect_private(0x1000 + 3 * 4096 + 7, {0, 0}),
                          fakes::guest::expect_private(0x5000, Bytes(4096)),
                          fakes::guest::expect_private(0x10000, {1, 2, 3}),
                          fakes::guest::expect_private(0x100000 + 299 * 4096, Bytes(4096, 0x90)),
                          power_off()};
  EXPECT_EQ(run(launch(plan(Tee::snp))).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

TEST_F(SnpLaunch, PartialUpdatesAreContinued) {
  kernel->host().interrupt_after_pages = 3;
  auto wanted = plan(Tee::snp);
  launch(wanted);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  EXPECT_THAT(kernel->transcript(), HasSubstr(" left="));
}

TEST_F(SnpLaunch, AnyNumberOfProcessors) {
  for (size_t vcpus : {1u, 3u, 17u}) {
    auto wanted = plan(Tee::snp, vcpus);
    launch(wanted);
    EXPECT_EQ(record().vmsas.size(), vcpus);
    EXPECT_EQ(record().digest, expected_digest(wanted)) << vcpus;
    machine.reset();
  }
}

TEST_F(SnpLaunch, CorrectionsOfTheCpuidPageAreToldAndTakenOnce) {
  size_t asked = 0;
  kernel->host().correct_cpuid = [&asked](fakes::CpuidPageEntry& entry) {
    if (entry.eax_in != 1) return false;
    ++asked;
    if ((entry.ecx & 1u << 24) == 0) return false;
    entry.ecx &= ~(1u << 24);  // TSC deadline
    return true;
  };
  launch(plan(Tee::snp));
  EXPECT_EQ(asked, 2u);
  ASSERT_EQ(machine->remarks().size(), 1u);
  EXPECT_THAT(machine->remarks()[0], HasSubstr("firmware corrected CPUID leaf 0x1.0: ecx "));
}

TEST_F(SnpLaunch, ACpuidPageThatIsNeverGoodEnoughIsAnError) {
  kernel->host().correct_cpuid = [](fakes::CpuidPageEntry& entry) {
    if (entry.eax_in == 1) entry.edx ^= 1;
    return entry.eax_in == 1;
  };
  EXPECT_THAT(failure(plan(Tee::snp)), HasSubstr("KVM_SEV_SNP_LAUNCH_UPDATE: firmware error 0x16"));
}

TEST_F(SnpLaunch, ACpuidPageThatComesBackAsAnotherTableIsRefused) {
  kernel->host().correct_cpuid = [](fakes::CpuidPageEntry& entry) {
    bool mine = entry.eax_in == 1;
    if (mine) entry.eax_in = 2;
    return mine;
  };
  EXPECT_THAT(failure(plan(Tee::snp)), HasSubstr("another table"));
}

TEST_F(SnpLaunch, IdBlock) {
  auto wanted = plan(Tee::snp);
  fakes::IdBlockMaker maker;
  auto digest = expected_digest(wanted);
  std::copy(digest.begin(), digest.end(), maker.digest.begin());
  maker.policy = wanted.guest_policy;
  maker.with_author = true;
  auto bound = binding();
  bound.id_block = maker.block();
  bound.id_auth = maker.auth(bound.id_block);
  bound.author_key = true;
  launch(wanted, bound);
  EXPECT_TRUE(record().id_block);
  EXPECT_TRUE(record().author_key);
  EXPECT_EQ(record().id_key_digest, maker.id_key_digest());
  maker.digest[0] ^= 1;
  bound.id_block = maker.block();
  bound.id_auth = maker.auth(bound.id_block);
  EXPECT_THAT(
      failure(wanted, bound),
      HasSubstr("KVM_SEV_SNP_LAUNCH_FINISH: firmware error 0xb, bad measurement (the launch "
                "digest is not the one that its owner expects)"));
  EXPECT_EQ(calls_of(*kernel, "KVM_SEV_SNP_LAUNCH_FINISH"), 2u)
      << "a VM refused is lost: once each";
  bound.id_auth.pop_back();
  EXPECT_THAT(failure(wanted, bound), HasSubstr("ID block of 96 and authentication of 4095 bytes"));
}

// 64 GiB and more: by layout, around the hole; nothing is allocated that the guest does not touch.
TEST_F(SnpLaunch, SixtyFiveGiBAndAHugeConversion) {
  auto wanted = plan(Tee::snp, 2, 65 * kGiB);
  kernel->scripts()[0] = {fakes::guest::validate(0x1'0000'0000, 8192),
                          fakes::guest::map_gpa(0x1'0000'0000, 2 * kGiB, false),
                          fakes::guest::write_shared(0x1'2000'0000, {7}),
                          fakes::guest::map_gpa(0x1'0000'0000, 2 * kGiB, true),
                          fakes::guest::validate(0x1'2000'0000, 4096),
                          fakes::guest::expect_private(0x1'2000'0000, {0}),
                          power_off()};
  VirtualMachine& vm = launch(wanted);
  EXPECT_EQ(vm.memory().size(), 65 * kGiB);
  EXPECT_EQ(record().digest, expected_digest(wanted));
  // Two regions, and then one call for each way, whatever the size.
  EXPECT_EQ(calls_of(*kernel, "KVM_SET_MEMORY_ATTRIBUTES"), 2u);
  EXPECT_EQ(run(vm).kind, End::Kind::shutdown);
  EXPECT_EQ(calls_of(*kernel, "KVM_SET_MEMORY_ATTRIBUTES"), 4u);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  EXPECT_EQ(vm.memory().shared_pages(), 0u);
}

TEST_F(SnpLaunch, ConvertedPagesLiveOnOneSideOnly) {
  kernel->scripts()[0] = {fakes::guest::validate(0x800000, 64 * 4096),
                          fakes::guest::write_private(0x800000, Bytes(64 * 4096, 1)),
                          fakes::guest::map_gpa(0x800000, 32 * 4096, false),
                          fakes::guest::write_shared(0x800000, Bytes(32 * 4096, 2)),
                          fakes::guest::map_gpa(0x800000, 16 * 4096, true),
                          fakes::guest::validate(0x800000, 16 * 4096),
                          fakes::guest::expect_private(0x800000, Bytes(4096)),
                          fakes::guest::expect_private(0x800000 + 32 * 4096, {1}),
                          power_off()};
  VirtualMachine& vm = launch(plan(Tee::snp));
  EXPECT_EQ(run(vm).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  EXPECT_EQ(kernel->last_vm().memory().pages_held_twice(), 0u);
  EXPECT_EQ(vm.memory().shared_pages(), 16u);
  EXPECT_EQ(vm.memory().state({0x800000}), vmm::memory::PageState::private_);
  EXPECT_EQ(vm.memory().state({0x800000 + 16 * 4096}), vmm::memory::PageState::shared);
}

// Devices reach shared pages and no others.
TEST_F(SnpLaunch, DevicesSeeSharedPages) {
  kernel->scripts()[0] = {fakes::guest::map_gpa(0x300000, 4096, false),
                          fakes::guest::write_shared(0x300000, {9}), power_off()};
  VirtualMachine& vm = launch(plan(Tee::snp));
  EXPECT_EQ(run(vm).kind, End::Kind::shutdown);
  uint8_t byte = 0;
  EXPECT_TRUE(vm.memory().read({0x300000}, {&byte, 1}).ok());
  EXPECT_EQ(byte, 9);
  EXPECT_FALSE(vm.memory().read({0x301000}, {&byte, 1}).ok());
}

// Memory used the other way round, without a call before: KVM_EXIT_MEMORY_FAULT.
TEST_F(SnpLaunch, MemoryFaultsConvert) {
  kernel->scripts()[0] = {
      fakes::guest::touch_shared(0x400000),        fakes::guest::write_shared(0x400000, {5}),
      fakes::guest::expect_shared(0x400000, {5}),  fakes::guest::validate(0x400000, 4096),
      fakes::guest::expect_private(0x400000, {0}), power_off()};
  EXPECT_EQ(run(launch(plan(Tee::snp))).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel->findings(), IsEmpty());
  EXPECT_EQ(kernel->last_vm().memory().pages_held_twice(), 0u);
}

// KVM_RUN that a kick interrupts leaves the last exit where it was: here a fault that never was.
TEST_F(SnpLaunch, AStaleExitIsNotBelieved) {
  VirtualMachine& vm = launch(plan(Tee::snp, 1));
  std::promise<End> ended;
  ASSERT_TRUE(vm.run([&](uint32_t, const End& end) { ended.set_value(end); }).ok());
  kernel->wait_for_idle_vcpu();
  vm.stop();
  EXPECT_EQ(ended.get_future().get().kind, End::Kind::stopped);
  vm.join();
  EXPECT_EQ(vm.memory().state_changes(), 0u);
  EXPECT_THAT(kernel->findings(), IsEmpty());
}

TEST_F(SnpLaunch, PrivateAccessWhereNoRamIsEndsTheGuest) {
  kernel->scripts()[0] = {fakes::guest::touch_private(0xd000'0000), power_off()};
  auto end = run(launch(plan(Tee::snp)));
  EXPECT_EQ(end.kind, End::Kind::crash);
  EXPECT_THAT(end.detail, HasSubstr("private access to guest address 0xd0000000"));
}

TEST_F(SnpLaunch, AConversionOfWhatIsNotRamIsRefused) {
  kernel->scripts()[0] = {fakes::guest::map_gpa(16 * kMiB - 4096, 8192, false), power_off()};
  auto end = run(launch(plan(Tee::snp)));
  EXPECT_EQ(end.kind, End::Kind::crash);
  EXPECT_THAT(end.detail, HasSubstr("SEV guest ended itself: reason set 1, code 0x1"));
}

// The kernel may run out of memory while the guest converts: it is told no, and devices have not
// been given what the guest still owns.
TEST_F(SnpLaunch, AConversionThatTheKernelRefusesIsTheGuestsToKnow) {
  kernel->scripts()[0] = {fakes::guest::map_gpa(0x800000, 8192, false), power_off()};
  VirtualMachine& vm = launch(plan(Tee::snp, 1));
  kernel->fail_call = kernel->calls();
  kernel->fail_errno = ENOMEM;
  auto end = run(vm);
  EXPECT_EQ(kernel->failed_call(), "KVM_SET_MEMORY_ATTRIBUTES");
  EXPECT_EQ(end.kind, End::Kind::crash);
  EXPECT_EQ(kernel->last_vm().vcpus().at(0).answers.back(), static_cast<uint64_t>(EINVAL));
  EXPECT_EQ(vm.memory().state({0x800000}), vmm::memory::PageState::private_);
}

TEST(CpuidPage, HoldsWhatTheTableSaysAndFits) {
  vmm::kvm::CpuidTable table;
  table.find_or_add(1).eax = 0x800f12;
  table.find_or_add(2);  // says nothing
  kvm_cpuid_entry2 state{};
  state.function = 0xd;
  state.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  state.eax = 7;
  state.ebx = 0x340;
  table.entries().push_back(state);
  auto page = vmm::launch::snp::cpuid_page(table);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->size(), 4096u);
  auto word = [&page](size_t at) { return load_le<uint32_t>(page->data() + at); };
  EXPECT_EQ(word(0), 2u);
  EXPECT_EQ(word(16), 1u);
  EXPECT_EQ(word(16 + 24), 0x800f12u);
  EXPECT_EQ(word(64), 0xdu);
  EXPECT_EQ(word(64 + 8), 1u) << "the state in which a guest asks first";
  EXPECT_EQ(word(64 + 28), 0x240u) << "and its size";
  for (uint32_t leaf = 0x40; leaf < 0x80; ++leaf) table.find_or_add(leaf).eax = 1;
  EXPECT_EQ(vmm::launch::snp::cpuid_page(table).error().code, ErrorCode::unsupported);
}

TEST_F(SnpLaunch, TwoProcessorsConvertTheSamePages) {
  for (uint32_t id : {0u, 1u}) {
    for (int round = 0; round < 20; ++round) {
      kernel->scripts()[id].push_back(fakes::guest::map_gpa(0x500000, 8 * 4096, false));
    }
    kernel->scripts()[id].push_back(power_off());
  }
  EXPECT_EQ(run(launch(plan(Tee::snp))).kind, End::Kind::shutdown);
  EXPECT_EQ(kernel->last_vm().memory().pages_held_twice(), 0u);
}

TEST_F(SnpLaunch, AnotherProcessorsCBit) {
  auto wanted = plan(Tee::snp);
  wanted.c_bit = 47;
  wanted.cpus[0].cr3 = 0x8000 | 1ull << 47;
  EXPECT_THAT(failure(wanted), HasSubstr("planned for C-bit 47; this processor's is 51"));
  EXPECT_EQ(kernel->vm_count(), 0u) << "told before anything is made";
}

TEST_F(SnpLaunch, NoFreeAsid) {
  kernel->host().asids = 0;
  EXPECT_THAT(failure(plan(Tee::snp)),
              HasSubstr("KVM_SEV_INIT2 (no free ASID: other confidential guests hold them all)"));
}

TEST_F(SnpLaunch, AHostWithoutSnp) {
  kernel->host().vm_types = 1;
  EXPECT_THAT(failure(plan(Tee::snp)),
              HasSubstr("KVM_CREATE_VM (this host's KVM does not offer VMs of that type)"));
}

TEST_F(SnpLaunch, NoSevDevice) {
  kernel->host().sev_open_errno = EACCES;
  EXPECT_THAT(failure(plan(Tee::snp)), HasSubstr("/dev/sev: open"));
}

TEST_F(SnpLaunch, APolicyThatTheHostRefuses) {
  auto wanted = plan(Tee::snp);
  wanted.guest_policy |= 1 << 18;
  EXPECT_THAT(failure(wanted), HasSubstr("the policy has bits that KVM does not allow"));
  wanted.guest_policy = kDefaultSnpPolicy | 2 << 8;
  EXPECT_THAT(failure(wanted), HasSubstr("firmware error 0x7, policy failure"));
}

// A page that is planned twice would be loaded once by a kernel that does not check: not here.
TEST_F(SnpLaunch, APageTwice) {
  auto wanted = plan(Tee::snp);
  wanted.items.push_back(item(0x1000, PageKind::normal, "again", 1, Bytes{1}));
  EXPECT_THAT(failure(wanted), HasSubstr("again at guest address 0x1000"));
}

}  // namespace
}  // namespace bartizan::launches
