// Whole machines on the fake kernel with TEEs: what runs on FakeKvm runs on it alike, with its
// strictness.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "base/units.hpp"
#include "fakes/tee_kernel.hpp"
#include "plan/boot/layout.hpp"
#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::vcpu::VirtualMachine;

constexpr uint64_t kRam = 16 * kMiB;

plan::tee::LaunchPlan plan(Tee tee) {
  plan::tee::LaunchPlan plan;
  plan.tee = tee;
  plan.ram = plan::boot::ram_regions(kRam, guest_abi::StubPlatform::none);
  auto code = std::make_shared<Bytes>(Bytes{0xf4});
  plan.items.push_back({{0x1000}, plan::tee::PageKind::normal, "code", 4096, code});
  plan.cpus.resize(2);
  plan.cpus[0].rip = 0x1000;
  // 64-bit code, which KVM takes with paging and long mode only
  plan.cpus[0].cs.attributes = 0xa9b;
  plan.cpus[0].cr0 = 0x80000011;
  plan.cpus[0].cr3 = 0x2000;
  plan.cpus[0].cr4 = 0x20;
  plan.cpus[0].efer = 0x500;
  return plan;
}

class OnTeeKernel : public ::testing::TestWithParam<Tee> {};
INSTANTIATE_TEST_SUITE_P(Machines, OnTeeKernel, ::testing::Values(Tee::none, Tee::simulated),
                         [](const auto& info) {
                           return info.param == Tee::none ? "none" : "simulated";
                         });

TEST_P(OnTeeKernel, RunsAScript) {
  auto kernel = std::make_shared<fakes::TeeKernel>();
  if (GetParam() == Tee::simulated) {
    kernel->scripts()[0].push_back(fakes::guest::map_gpa(0x8000, 0x2000, false));
  }
  kernel->scripts()[0].push_back(fakes::guest::write_shared(0x8000, {1, 2, 3}));
  kernel->scripts()[0].push_back(fakes::guest::exit([](kvm_run& run) {
    run.exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
  }));
  auto created = VirtualMachine::create(kernel, "/dev/kvm", plan(GetParam()));
  ASSERT_TRUE(created.ok()) << created.error().message;
  VirtualMachine& machine = **created;
  std::latch ended(1);
  std::atomic<bool> seen{false};
  auto started = machine.run([&](uint32_t, const vmm::vcpu::End&) {
    if (!seen.exchange(true)) ended.count_down();
  });
  ASSERT_TRUE(started.ok());
  ended.wait();
  machine.stop();
  machine.join();
  EXPECT_THAT(kernel->findings(), IsEmpty());
  uint8_t written[3] = {};
  EXPECT_TRUE(machine.memory().read_raw(0x8000, written).ok());
  EXPECT_EQ(written[2], 3);
  EXPECT_EQ(machine.memory().shared_pages(), GetParam() == Tee::simulated ? 2u : kRam / 4096);
}

TEST_P(OnTeeKernel, EachCallFailsOnce) {
  auto count = std::make_shared<fakes::TeeKernel>();
  ASSERT_TRUE(VirtualMachine::create(count, "/dev/kvm", plan(GetParam())).ok());
  ASSERT_GT(count->calls(), 20u);
  for (size_t n = 0; n < count->calls(); ++n) {
    auto kernel = std::make_shared<fakes::TeeKernel>();
    kernel->fail_call = n;
    kernel->fail_errno = ENOSPC;
    auto machine = VirtualMachine::create(kernel, "/dev/kvm", plan(GetParam()));
    ASSERT_FALSE(machine.ok()) << kernel->failed_call();
    EXPECT_EQ(machine.error().os_errno, ENOSPC);
    EXPECT_THAT(machine.error().message, HasSubstr(kernel->failed_call()));
  }
}

// The transcript is the same each time: it can be kept as a golden file.
TEST_P(OnTeeKernel, TranscriptIsStable) {
  std::string first;
  for (int i = 0; i < 2; ++i) {
    auto kernel = std::make_shared<fakes::TeeKernel>();
    ASSERT_TRUE(VirtualMachine::create(kernel, "/dev/kvm", plan(GetParam())).ok());
    EXPECT_THAT(kernel->transcript(), HasSubstr("KVM_CREATE_VM type=0 -> vm\n"));
    if (i == 0) first = kernel->transcript();
    EXPECT_EQ(kernel->transcript(), first);
  }
}

}  // namespace
}  // namespace bartizan
