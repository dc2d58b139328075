// The scripted guest: exits as KVM makes them, answers as KVM takes them, and what would kill a
// guest on hardware.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/units.hpp"
#include "tee_support.hpp"

namespace bartizan::fakes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::kvm::SevCommandId;
using vmm::kvm::TdxCommandId;
using vmm::kvm::VmType;

constexpr uint64_t kRam = 16 * 4096;

GuestStep halt() {
  return guest::exit([](kvm_run& run) {
    run.exit_reason = KVM_EXIT_HLT;
    return 0;
  });
}

// A launched guest of 16 private pages; page 0 was loaded.
struct Launched : TeeCalls {
  explicit Launched(VmType type, std::vector<GuestStep> script, bool hypercalls = true,
                    bool certificates = false)
      : certificates(certificates) {
    script.push_back(halt());
    kernel.scripts()[0] = std::move(script);
    EXPECT_EQ(create_vm(type), 0);
    if (hypercalls) {
      EXPECT_EQ(enable_cap(vmm::kvm::kCapExitHypercall, 1 << 12), 0);
    }
    source[0] = 0x77;
    if (type == VmType::snp)
      launch_snp();
    else
      launch_tdx();
  }
  void launch_snp() {
    ASSERT_EQ(init2(), 0);
    if (certificates) {
      ASSERT_EQ(sev_command(SevCommandId::snp_enable_req_certs), 0);
    }
    ASSERT_EQ(add_private_slot(0, 0, memory), 0);
    ASSERT_EQ(set_private(0, kRam), 0);
    ASSERT_EQ(create_vcpu(), 0);
    vmm::kvm::SnpLaunchStart start;
    start.policy = 0x30000;
    ASSERT_EQ(sev_command(SevCommandId::snp_launch_start, &start), 0);
    vmm::kvm::SnpLaunchUpdate update{0, source.address(), 4096, 1};
    ASSERT_EQ(sev_command(SevCommandId::snp_launch_update, &update), 0);
    vmm::kvm::SnpLaunchFinish finish;
    ASSERT_EQ(sev_command(SevCommandId::snp_launch_finish, &finish), 0);
  }
  void launch_tdx() {
    ASSERT_EQ(enable_cap(vmm::kvm::kCapSplitIrqchip, 24), 0);
    struct {
      vmm::kvm::TdxInitVm head;
      kvm_cpuid_entry2 entry{};
    } init;
    init.head.attributes = vmm::kvm::kTdxAttributeSeptVeDisable;
    init.head.cpuid.count = 1;
    init.entry.function = 0x80000008;
    init.entry.eax = 48 << 16;
    ASSERT_EQ(tdx_command(vm.get(), TdxCommandId::init_vm, &init), 0);
    ASSERT_EQ(add_private_slot(0, 0, memory), 0);
    ASSERT_EQ(set_private(0, kRam), 0);
    ASSERT_EQ(create_vcpu(), 0);
    struct {
      vmm::kvm::CpuidHead head{1, 0};
      kvm_cpuid_entry2 entry{};
    } cpuid;
    cpuid.entry.function = 1;
    cpuid.entry.ecx = 1 << 21;
    int vcpu = vcpus[0].get();
    ASSERT_EQ(call(vcpu, vmm::kvm::request::set_cpuid2, &cpuid), 0);
    ASSERT_EQ(tdx_command(vcpu, TdxCommandId::init_vcpu, nullptr), 0);
    vmm::kvm::TdxInitMemRegion region{source.address(), 0, 1};
    ASSERT_EQ(tdx_command(vcpu, TdxCommandId::init_mem_region, &region, 1), 0);
    ASSERT_EQ(tdx_command(vm.get(), TdxCommandId::finalize_vm, nullptr), 0);
  }
  bool certificates;
  uint32_t reason() { return runs[0]->exit_reason; }
  HostMemory memory{kRam};
  HostMemory source{4096};
};

struct GuestTest : ::testing::TestWithParam<VmType> {};
INSTANTIATE_TEST_SUITE_P(FakeTee, GuestTest, ::testing::Values(VmType::snp, VmType::tdx),
                         [](const auto& info) {
                           return info.param == VmType::snp ? "Snp" : "Tdx";
                         });

TEST_P(GuestTest, ReadsWhatWasLoadedAndUsesWhatItValidated) {
  Launched vm(GetParam(),
              {guest::expect_private(0, {0x77}), guest::validate(0x1000, kRam - 0x1000),
               guest::expect_private(0x5000, {0, 0}), guest::write_private(0x5000, {1, 2}),
               guest::expect_private(0x5000, {1, 2})});
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_HLT));
  EXPECT_THAT(vm.kernel.findings(), IsEmpty());
}

TEST_P(GuestTest, TouchBeforeValidation) {
  Launched vm(GetParam(), {guest::touch_private(0x1000)});
  if (GetParam() == VmType::snp) {
    EXPECT_EQ(vm.run(), 0);
    EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_SHUTDOWN));
    EXPECT_THAT(vm.kernel.findings(), ElementsAre(HasSubstr("before PVALIDATE")));
  } else {
    EXPECT_EQ(vm.run(), -EIO);
    EXPECT_EQ(vm.run(), -EIO);
    EXPECT_THAT(vm.kernel.findings(), ElementsAre(HasSubstr("before ACCEPT")));
  }
}

TEST_P(GuestTest, ValidatedTwice) {
  Launched vm(GetParam(), {guest::validate(0x1000, 4096), guest::validate(0x1000, 4096)});
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_SYSTEM_EVENT));
  EXPECT_THAT(vm.kernel.findings(), ElementsAre(HasSubstr("validated twice")));
}

TEST_P(GuestTest, LoadedPagesAreValidatedAlready) {
  Launched vm(GetParam(), {guest::validate(0, 4096)});
  EXPECT_EQ(vm.run(), 0);
  EXPECT_THAT(vm.kernel.findings(), ElementsAre(HasSubstr("validated twice")));
}

// RAM that the VMM left shared: KVM_RUN fails with EFAULT, and the exit says which page. Made
// private, it goes on.
TEST_P(GuestTest, MemoryFaultForAPrivateAccess) {
  Launched vm(GetParam(), {guest::validate(0x3000, 4096)});
  ASSERT_EQ(vm.set_private(0x3000, 4096, false), 0);
  EXPECT_EQ(vm.run(), -EFAULT);
  EXPECT_EQ(vm.reason(), vmm::kvm::kExitMemoryFault);
  auto fault = vm.exit_data<vmm::kvm::ExitMemoryFault>();
  EXPECT_EQ(fault.gpa, 0x3000u);
  EXPECT_EQ(fault.size, 4096u);
  EXPECT_EQ(fault.flags, vmm::kvm::kMemoryFaultPrivate);
  ASSERT_EQ(vm.set_private(0x3000, 4096), 0);
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_HLT));
}

TEST_P(GuestTest, MemoryFaultForASharedAccess) {
  Launched vm(GetParam(), {guest::touch_shared(0x3008)});
  EXPECT_EQ(vm.run(), -EFAULT);
  auto fault = vm.exit_data<vmm::kvm::ExitMemoryFault>();
  EXPECT_EQ(fault.gpa, 0x3000u);
  EXPECT_EQ(fault.flags, 0u);
}

TEST_P(GuestTest, MemoryFaultWithoutASlot) {
  Launched vm(GetParam(), {guest::touch_private(kMiB)});
  ASSERT_EQ(vm.set_private(kMiB, 4096), 0);
  EXPECT_EQ(vm.run(), -EFAULT);
  EXPECT_EQ(vm.exit_data<vmm::kvm::ExitMemoryFault>().gpa, kMiB);
}

TEST_P(GuestTest, ToSharedAndBack) {
  Launched vm(GetParam(), {guest::validate(0x3000, 8192), guest::write_private(0x3000, {1}),
                           guest::map_gpa(0x3000, 8192, false), guest::write_shared(0x3000, {5}),
                           guest::map_gpa(0x3000, 8192, true), guest::validate(0x3000, 8192),
                           guest::expect_private(0x3000, {0})});
  for (bool to_private : {false, true}) {
    ASSERT_EQ(vm.run(), 0);
    ASSERT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_HYPERCALL));
    auto& call = vm.runs[0]->hypercall;
    EXPECT_EQ(call.nr, vmm::kvm::kHypercallMapGpaRange);
    EXPECT_EQ(call.args[0], 0x3000u);
    EXPECT_EQ(call.args[1], 2u);
    EXPECT_EQ(call.args[2], to_private ? vmm::kvm::kMapGpaEncrypted : 0);
    ASSERT_EQ(vm.set_private(0x3000, 8192, to_private), 0);
    if (to_private) {
      EXPECT_EQ(vm.memory[0x3000], 5);
      EXPECT_EQ(vm.machine().memory().pages_held_twice(), 1u) << "what the VMM must give back";
    }
    call.ret = 0;
  }
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_HLT));
  EXPECT_THAT(vm.kernel.findings(), IsEmpty());
}

TEST_P(GuestTest, HypercallAnswers) {
  Launched vm(GetParam(), {guest::map_gpa(0x3000, 4096, false)});
  ASSERT_EQ(vm.run(), 0);
  vm.runs[0]->hypercall.ret = static_cast<uint64_t>(-EINVAL);
  EXPECT_EQ(vm.run(), -EINVAL);
  EXPECT_EQ(vm.reason(), vmm::kvm::kExitMemoryFault) << "stale: must not be looked at";
}

TEST_P(GuestTest, HypercallTryAgain) {
  Launched vm(GetParam(), {guest::map_gpa(0x3000, 4096, false)});
  ASSERT_EQ(vm.run(), 0);
  vm.runs[0]->hypercall.ret = EAGAIN;
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_HYPERCALL));
  ASSERT_EQ(vm.set_private(0x3000, 4096, false), 0);
  vm.runs[0]->hypercall.ret = 0;
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_HLT));
}

TEST_P(GuestTest, HypercallRefusedByTheVmmEndsTheGuest) {
  Launched vm(GetParam(), {guest::map_gpa(0x3000, 4096, false)});
  ASSERT_EQ(vm.run(), 0);
  vm.runs[0]->hypercall.ret = EINVAL;
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_SYSTEM_EVENT));
}

TEST_P(GuestTest, AgreedButNotDone) {
  Launched vm(GetParam(), {guest::map_gpa(0x3000, 4096, false)});
  ASSERT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.run(), 0);  // ret 0 as KVM had put it there, nothing changed
  EXPECT_THAT(vm.kernel.findings(), ElementsAre(HasSubstr("but did not")));
}

TEST_P(GuestTest, HypercallsNotEnabled) {
  Launched vm(GetParam(), {guest::map_gpa(0x3000, 4096, false)}, false);
  EXPECT_EQ(vm.run(), 0);
  EXPECT_EQ(vm.reason(), static_cast<uint32_t>(KVM_EXIT_SYSTEM_EVENT));
  EXPECT_EQ(vm.runs[0]->system_event.type, GetParam() == VmType::snp
                                               ? vmm::kvm::kSystemEventSevTerminate
                                               : vmm::kvm::kSystemEventTdxFatal);
  EXPECT_THAT(vm.kernel.findings(), ElementsAre(HasSubstr("KVM_CAP_EXIT_HYPERCALL")));
}

TEST_P(GuestTest, AKickLeavesAStaleExit) {
  Launched vm(GetParam(), {});
  vm.runs[0]->immediate_exit = 1;
  EXPECT_EQ(vm.run(), -EINTR);
  EXPECT_EQ(vm.reason(), vmm::kvm::kExitMemoryFault);
}

// MapGPA comes in pieces of at most 2 MiB; an SNP list of pages as one range.
TEST_P(GuestTest, HugeConversions) {
  constexpr uint64_t kSize = 5 * kMiB;
  Launched vm(GetParam(), {guest::map_gpa(kMiB, kSize, false)});
  uint64_t exits = 0;
  while (vm.run() == 0 && vm.reason() == KVM_EXIT_HYPERCALL) ++exits;
  EXPECT_EQ(exits, GetParam() == VmType::snp ? 1u : 3u);
}

TEST(FakeTeeQuote, BufferAndStatusAreChecked) {
  constexpr uint64_t kStatusInFlight = UINT64_MAX;
  auto run_with = [](uint64_t gpa, uint64_t status, uint64_t answer) {
    Launched vm(VmType::tdx, {guest::tdvmcall(vmm::kvm::kTdvmcallGetQuote, {gpa, 4096}),
                              guest::map_gpa(0, 0, true)});
    EXPECT_EQ(vm.set_private(0x3000, 4096, false), 0);
    EXPECT_EQ(vm.run(), 0);
    EXPECT_EQ(vm.reason(), vmm::kvm::kExitTdx);
    auto& exit = vm.exit_data<vmm::kvm::ExitTdx>();
    EXPECT_EQ(exit.nr, vmm::kvm::kTdvmcallGetQuote);
    EXPECT_EQ(exit.ret, vmm::kvm::kTdvmcallSubfunctionUnsupported);
    EXPECT_EQ(exit.get_quote.gpa, gpa);
    std::memcpy(vm.memory.data() + 0x3008, &status, sizeof status);
    exit.ret = answer;
    EXPECT_EQ(vm.run(), 0);
    return vm.kernel.findings();
  };
  EXPECT_THAT(run_with(0x3000, kStatusInFlight, 0), IsEmpty());
  EXPECT_THAT(run_with(0x3000, 0, 0), ElementsAre(HasSubstr("says that it is done")));
  EXPECT_THAT(run_with(0x4000, kStatusInFlight, 0), ElementsAre(HasSubstr("not shared RAM")));
  EXPECT_THAT(run_with(0x3008, kStatusInFlight, 0), ElementsAre(HasSubstr("not shared RAM")));
  EXPECT_THAT(run_with(0x4000, 0, vmm::kvm::kTdvmcallInvalidOperand), IsEmpty());
}

TEST(FakeTeeCerts, RequestedOnlyIfEnabled) {
  TeeCalls calls;
  HostMemory memory(kRam);
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  EXPECT_EQ(calls.sev_command(SevCommandId::snp_enable_req_certs), -ENOTTY);
  ASSERT_EQ(calls.init2(), 0);
  ASSERT_EQ(calls.sev_command(SevCommandId::snp_enable_req_certs), 0);
  ASSERT_EQ(calls.add_private_slot(0, 0, memory), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  vmm::kvm::SnpLaunchStart start;
  start.policy = 0x30000;
  vmm::kvm::SnpLaunchFinish finish;
  ASSERT_EQ(calls.sev_command(SevCommandId::snp_launch_start, &start), 0);
  ASSERT_EQ(calls.sev_command(SevCommandId::snp_launch_finish, &finish), 0);
  calls.kernel.scripts()[0] = {guest::request_certs(0x3000, 1), guest::request_certs(0x3000, 1)};
  ASSERT_EQ(calls.run(), 0);
  auto& exit = calls.exit_data<vmm::kvm::ExitSnpReqCerts>();
  EXPECT_EQ(calls.runs[0]->exit_reason, vmm::kvm::kExitSnpReqCerts);
  EXPECT_EQ(exit.npages, 1u);
  exit.ret = ENOSPC;
  exit.npages = 2;
  ASSERT_EQ(calls.run(), 0);
  exit.ret = 99;
  EXPECT_EQ(calls.run(), -EINVAL);
}

// What the guest sees of an answer is checked: where, how many pages, and that something is there.
TEST(FakeTeeCerts, AnswersAreChecked) {
  auto answered = [](uint64_t gpa, uint64_t ret, uint64_t npages, bool written) {
    Launched vm(VmType::snp, {guest::request_certs(gpa, 1)}, true, true);
    EXPECT_EQ(vm.set_private(0x3000, 4096, false), 0);
    EXPECT_EQ(vm.run(), 0);
    auto& exit = vm.exit_data<vmm::kvm::ExitSnpReqCerts>();
    if (written) vm.memory[gpa] = 1;
    exit.ret = ret;
    exit.npages = npages;
    EXPECT_EQ(vm.run(), 0);
    return vm.kernel.findings();
  };
  EXPECT_THAT(answered(0x3000, 0, 1, true), IsEmpty());
  EXPECT_THAT(answered(0x3000, 0, 1, false), ElementsAre(HasSubstr("the guest sees none")));
  EXPECT_THAT(answered(0x4000, 0, 1, true), ElementsAre(HasSubstr("the guest sees none")));
  EXPECT_THAT(answered(0x3000, ENOSPC, 2, false), IsEmpty());
  EXPECT_THAT(answered(0x3000, ENOSPC, 1, false), ElementsAre(HasSubstr("certificates need 1")));
  EXPECT_THAT(answered(0x3000, EAGAIN, 1, false), IsEmpty());
  EXPECT_THAT(answered(0x3000, EIO, 1, false), IsEmpty());
}

}  // namespace
}  // namespace bartizan::fakes
