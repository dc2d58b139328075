// A virtual machine on a KVM that is played by FakeKvm: what the kernel is told, and what happens
// when it says no.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <latch>

#include "base/units.hpp"
#include "fakes/fake_kvm.hpp"
#include "plan/boot/layout.hpp"
#include "vmm/vcpu/kick.hpp"
#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan {
namespace {

using ::testing::HasSubstr;
using vmm::vcpu::End;
using vmm::vcpu::VirtualMachine;

plan::tee::LaunchPlan plan(Tee tee, size_t vcpus = 1, uint64_t ram = 16 * kMiB) {
  plan::tee::LaunchPlan plan;
  plan.tee = tee;
  plan.ram = plan::boot::ram_regions(ram, guest_abi::StubPlatform::none);
  plan.items.push_back(
      {{0x1000}, plan::tee::PageKind::normal, "code", 4096, std::make_shared<Bytes>(Bytes{0xf4})});
  plan.cpus.resize(vcpus);
  plan.cpus[0].rip = 0x1000;
  plan.cpus[0].rsi = 0x7000;
  plan.cpus[0].cs.attributes = 0xa9b;
  return plan;
}

std::shared_ptr<fakes::FakeKvm> fake() {
  auto kvm = std::make_shared<fakes::FakeKvm>();
  kvm->capabilities = {
      {KVM_CAP_MAX_VCPUS, 64}, {KVM_CAP_SET_TSS_ADDR, 1}, {KVM_CAP_SET_IDENTITY_MAP_ADDR, 1}};
  return kvm;
}

const kvm_cpuid_entry2* leaf(const fakes::FakeKvm::FakeVcpu& vcpu, uint32_t number,
                             uint32_t index = 0) {
  for (const auto& entry : vcpu.cpuid) {
    if (entry.function == number && entry.index == index) return &entry;
  }
  return nullptr;
}

// Everything that the machine does before the guest runs; descriptors for the devices included.
Result<std::unique_ptr<VirtualMachine>> build(std::shared_ptr<fakes::FakeKvm> kvm,
                                              const plan::tee::LaunchPlan& plan) {
  auto machine = VirtualMachine::create(kvm, "/dev/kvm", plan);
  if (!machine.ok()) return machine;
  UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  if (auto done = (*machine)->connect_interrupt(event.get(), 5); !done.ok()) return done.error();
  if (auto done = (*machine)->connect_notify(event.get(), 0xd0000050, 1); !done.ok())
    return done.error();
  return machine;
}

class FailEachCall : public ::testing::TestWithParam<Tee> {};

// Each call in turn fails: an Error that names it, and nothing left (descriptors and threads:
// test_main; memory: ASan).
TEST_P(FailEachCall, IsAnErrorThatNamesTheCall) {
  auto count = fake();
  ASSERT_TRUE(build(count, plan(GetParam(), 2)).ok());
  ASSERT_GT(count->calls, 20u);
  for (size_t n = 0; n < count->calls; ++n) {
    auto kvm = fake();
    kvm->fail_call = n;
    kvm->fail_errno = ENOSPC;
    auto machine = build(kvm, plan(GetParam(), 2));
    ASSERT_FALSE(machine.ok()) << "call " << n << " " << kvm->failed_call;
    EXPECT_EQ(machine.error().os_errno, ENOSPC) << kvm->failed_call;
    EXPECT_THAT(machine.error().message, HasSubstr(kvm->failed_call));
    EXPECT_EQ(machine.error().code, ErrorCode::resource_exhausted);
  }
}
INSTANTIATE_TEST_SUITE_P(Tees, FailEachCall, ::testing::Values(Tee::none, Tee::simulated));

TEST(VirtualMachine, TellsKvmAboutMemoryAroundTheHole) {
  auto kvm = fake();
  auto machine = build(kvm, plan(Tee::none, 1, plan::boot::kMmioHoleStart + 64 * kMiB));
  ASSERT_TRUE(machine.ok()) << machine.error().describe();
  ASSERT_EQ(kvm->slots.size(), 2u);
  EXPECT_EQ(kvm->slots[0].guest_phys_addr, 0u);
  EXPECT_EQ(kvm->slots[0].memory_size, plan::boot::kMmioHoleStart);
  EXPECT_EQ(kvm->slots[1].guest_phys_addr, 0x1'0000'0000u);
  EXPECT_EQ(kvm->slots[1].memory_size, 64 * kMiB);
  EXPECT_TRUE(kvm->irqchip);
  ASSERT_EQ(kvm->ioeventfds.size(), 1u);
  EXPECT_EQ(kvm->ioeventfds[0].datamatch, 1u);
}

TEST(VirtualMachine, GivesTheBootProcessorThePlansRegistersAndTheOthersNone) {
  auto kvm = fake();
  auto machine = build(kvm, plan(Tee::none, 3));
  ASSERT_TRUE(machine.ok());
  EXPECT_EQ(kvm->vcpus[0].regs.rip, 0x1000u);
  EXPECT_EQ(kvm->vcpus[0].regs.rsi, 0x7000u);
  EXPECT_EQ(kvm->vcpus[0].sregs.cs.l, 1);
  EXPECT_FALSE(kvm->vcpus[1].sregs_set);
  EXPECT_FALSE(kvm->vcpus[2].sregs_set);
  for (auto& [id, vcpu] : kvm->vcpus) EXPECT_EQ(vcpu.msrs[0x2ff], 0x806u);
  EXPECT_EQ((*machine)->memory().size(), 16 * kMiB);
  uint8_t loaded = 0;
  ASSERT_TRUE((*machine)->memory().read_raw(0x1000, {&loaded, 1}).ok());
  EXPECT_EQ(loaded, 0xf4);
}

TEST(VirtualMachine, CpuidSaysHypervisorTopologyAndAConsistentXstate) {
  auto kvm = fake();
  ASSERT_TRUE(build(kvm, plan(Tee::none, 3)).ok());
  const auto& vcpu = kvm->vcpus[2];
  EXPECT_NE(leaf(vcpu, 1)->ecx & 1u << 31, 0u);
  EXPECT_EQ(leaf(vcpu, 1)->ebx >> 24, 2u);
  EXPECT_EQ(leaf(vcpu, 0xb, 1)->ebx, 3u);
  EXPECT_EQ(leaf(vcpu, 0xb, 1)->edx, 2u);
  EXPECT_EQ(leaf(vcpu, 0xd)->eax, 7u) << "AVX-512 state without AVX-512";
  EXPECT_EQ(leaf(vcpu, 0xd)->ecx, 832u);
  EXPECT_EQ(leaf(vcpu, 0xd, 5), nullptr);
  EXPECT_EQ(leaf(vcpu, 0x8000001f), nullptr);
}

TEST(VirtualMachine, SimulatedTeeIsTheMeasuredRecipe) {
  auto kvm = fake();
  auto machine = build(kvm, plan(Tee::simulated));
  ASSERT_TRUE(machine.ok());
  const auto& vcpu = kvm->vcpus[0];
  EXPECT_EQ(leaf(vcpu, 0x8000001f)->eax, 2u);
  EXPECT_EQ(leaf(vcpu, 0x8000001f)->ebx, 39u | 1u << 6);
  EXPECT_EQ(leaf(vcpu, 0x80000008)->eax & 0xff, 40u);
  EXPECT_GE(leaf(vcpu, 0x80000000)->eax, 0x8000001fu);
  EXPECT_EQ(leaf(vcpu, 0x40000001)->eax >> 16 & 3, 3u);
  EXPECT_EQ(kvm->slots[16].guest_phys_addr, 1ull << 39);
  EXPECT_EQ(kvm->slots[16].userspace_addr, kvm->slots[0].userspace_addr);
  EXPECT_EQ(kvm->enabled_caps[KVM_CAP_EXIT_HYPERCALL], 1u << 12);
  EXPECT_THAT(kvm->denied_msrs, ::testing::Contains(0xc0010131));
  EXPECT_EQ((*machine)->memory().shared_pages(), 0u);
}

// Runs until the first vCPU ends; gives that end.
End run_to_end(VirtualMachine& machine) {
  End first;
  std::latch ended(1);
  std::atomic<bool> seen{false};
  auto started = machine.run([&](uint32_t, const End& end) {
    if (seen.exchange(true)) return;
    first = end;
    ended.count_down();
  });
  EXPECT_TRUE(started.ok());
  ended.wait();
  machine.stop();
  machine.join();
  return first;
}

fakes::FakeKvm::Exit exit_with(uint32_t reason) {
  return [reason](kvm_run& run) {
    run.exit_reason = reason;
    return 0;
  };
}

TEST(VirtualMachine, DispatchesAndCountsExits) {
  auto kvm = fake();
  uint64_t msr_answer = 0, hypercall_answer = 99;
  kvm->scripts[0] = {
      [](kvm_run& run) {
        run.exit_reason = KVM_EXIT_HYPERCALL;
        run.hypercall.nr = 12;
        run.hypercall.args[0] = 0x10000;
        run.hypercall.args[1] = 16;
        run.hypercall.args[2] = 0;  // shared
        return 0;
      },
      [&](kvm_run& run) {
        hypercall_answer = run.hypercall.ret;
        run.exit_reason = KVM_EXIT_X86_RDMSR;
        run.msr.index = 0xc0010131;
        return 0;
      },
      [&](kvm_run& run) {
        msr_answer = run.msr.data;
        run.exit_reason = KVM_EXIT_X86_WRMSR;
        run.msr.index = 0x1234;
        return 0;
      },
      [&](kvm_run& run) {
        EXPECT_EQ(run.msr.error, 1) << "an MSR that is nobody's";
        run.exit_reason = KVM_EXIT_MMIO;
        run.mmio = {0xd0009000, {}, 4, 0};
        return 0;
      },
      [&](kvm_run& run) {
        EXPECT_EQ(run.mmio.data[3], 0xff) << "what nobody claims reads as all ones";
        return exit_with(KVM_EXIT_SHUTDOWN)(run);
      },
  };
  auto machine = build(kvm, plan(Tee::simulated));
  ASSERT_TRUE(machine.ok());
  EXPECT_EQ(run_to_end(**machine).kind, End::Kind::triple_fault);
  EXPECT_EQ(hypercall_answer, 0u);
  EXPECT_EQ(msr_answer, 1u);
  EXPECT_EQ((*machine)->memory().shared_pages(), 16u);
  EXPECT_EQ((*machine)->exits().total(), 5u);
  EXPECT_THAT((*machine)->exits().by_cause(),
              ::testing::Contains(std::pair<std::string, uint64_t>("msr", 2)));
}

TEST(VirtualMachine, KvmErrorsWhileRunningAreCrashesThatNameTheVcpu) {
  auto kvm = fake();
  kvm->scripts[1] = {[](kvm_run&) { return -EFAULT; }};
  auto machine = build(kvm, plan(Tee::none, 2));
  ASSERT_TRUE(machine.ok());
  End end = run_to_end(**machine);
  EXPECT_EQ(end.kind, End::Kind::crash);
  EXPECT_THAT(end.detail, HasSubstr("vcpu 1: KVM_RUN"));
}

TEST(VirtualMachine, InternalErrorAndUnknownExitsAreCrashes) {
  for (uint32_t reason :
       {uint32_t{KVM_EXIT_INTERNAL_ERROR}, uint32_t{KVM_EXIT_FAIL_ENTRY}, 0xdeadu}) {
    auto kvm = fake();
    kvm->scripts[0] = {exit_with(reason)};
    auto machine = build(kvm, plan(Tee::none));
    ASSERT_TRUE(machine.ok());
    EXPECT_EQ(run_to_end(**machine).kind, End::Kind::crash);
  }
}

TEST(VirtualMachine, StopsGuestsThatNeverExit) {
  auto machine = build(fake(), plan(Tee::none, 4));
  ASSERT_TRUE(machine.ok());
  std::atomic<int> stopped{0};
  ASSERT_TRUE(
      (*machine)
          ->run([&](uint32_t, const End& end) { stopped += end.kind == End::Kind::stopped; })
          .ok());
  (*machine)->stop();
  (*machine)->join();
  EXPECT_EQ(stopped, 4);
}

TEST(VirtualMachine, RefusesMoreVcpusThanTheHostHas) {
  auto machine = build(fake(), plan(Tee::none, 65));
  ASSERT_FALSE(machine.ok());
  EXPECT_EQ(machine.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(machine.error().message, HasSubstr("65 vCPUs"));
}

TEST(VirtualMachine, MissingDeviceNoPermissionAndOldApiAreDifferentErrors) {
  auto missing = fake(), denied = fake(), old = fake();
  missing->open_errno = ENOENT;
  denied->open_errno = EACCES;
  old->api_version = 11;
  EXPECT_EQ(build(missing, plan(Tee::none)).error().code, ErrorCode::not_found);
  EXPECT_EQ(build(denied, plan(Tee::none)).error().code, ErrorCode::permission_denied);
  EXPECT_EQ(build(old, plan(Tee::none)).error().code, ErrorCode::unsupported);
  EXPECT_THAT(build(old, plan(Tee::none)).error().message,
              HasSubstr("/dev/kvm: KVM API version 11"));
}

TEST(VirtualMachine, AKernelWithoutTheTeeIsAnErrorThatSaysWhy) {
  auto machine = build(fake(), plan(Tee::snp));
  ASSERT_FALSE(machine.ok());
  EXPECT_THAT(machine.error().message, HasSubstr("KVM_CREATE_VM (this host's KVM does not offer"));
}

TEST(Kick, KeepsTheCallersHandlerAndRefusesAnIgnoredSignal) {
  struct sigaction before {
  }, mine{}, now{};
  ::sigaction(vmm::vcpu::kick_signal(), nullptr, &before);
  mine.sa_handler = [](int) {};
  ::sigaction(vmm::vcpu::kick_signal(), &mine, nullptr);
  ASSERT_TRUE(vmm::vcpu::prepare_kick_signal().ok());
  ::sigaction(vmm::vcpu::kick_signal(), nullptr, &now);
  EXPECT_EQ(now.sa_handler, mine.sa_handler);
  mine.sa_handler = SIG_IGN;
  ::sigaction(vmm::vcpu::kick_signal(), &mine, nullptr);
  EXPECT_EQ(build(fake(), plan(Tee::none)).error().code, ErrorCode::invalid_state);
  ::sigaction(vmm::vcpu::kick_signal(), &before, nullptr);
}

}  // namespace
}  // namespace bartizan
