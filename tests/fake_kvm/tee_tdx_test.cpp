// TDX on the fake kernel: the documented order passes, every mistake gets the errno of a real host,
// MRTD is the specification's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/units.hpp"
#include "fakes/golden.hpp"
#include "tee_support.hpp"

namespace bartizan::fakes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::kvm::TdxCommandId;
using vmm::kvm::VmType;

template <typename Head>
struct WithEntries {
  Head head;
  kvm_cpuid_entry2 entries[8] = {};
};

WithEntries<vmm::kvm::CpuidHead> x2apic_cpuid() {
  WithEntries<vmm::kvm::CpuidHead> table;
  table.head.count = 1;
  table.entries[0].function = 1;
  table.entries[0].ecx = 1u << 21;
  return table;
}

struct TdxLaunch {
  using Init = WithEntries<vmm::kvm::TdxInitVm>;

  static Init good_init() {
    Init init;
    init.head.attributes = vmm::kvm::kTdxAttributeSeptVeDisable;
    init.head.xfam = 0xe7;
    init.head.mrconfigid[0] = 0x11;
    init.head.mrconfigid[47] = 0x22;
    init.head.cpuid.count = 1;
    init.entries[0].function = 0x80000008;
    init.entries[0].eax = 48 << 16;
    return init;
  }
  int on_vm(TdxCommandId id, void* data = nullptr, uint32_t flags = 0) {
    return calls.tdx_command(calls.vm.get(), id, data, flags);
  }
  int on_vcpu(TdxCommandId id, void* data = nullptr, uint32_t flags = 0, size_t vcpu = 0) {
    return calls.tdx_command(calls.vcpus.at(vcpu).get(), id, data, flags);
  }
  int init_vm(Init init = good_init()) { return on_vm(TdxCommandId::init_vm, &init); }
  int set_cpuid(size_t vcpu = 0) {
    auto table = x2apic_cpuid();
    return calls.call(calls.vcpus.at(vcpu).get(), vmm::kvm::request::set_cpuid2, &table);
  }
  int init_vcpu(size_t vcpu = 0) {
    return on_vcpu(TdxCommandId::init_vcpu, reinterpret_cast<void*>(0x1234), 0, vcpu);
  }
  vmm::kvm::TdxInitMemRegion region(uint64_t gpa, uint64_t pages) {
    return {source.address(), gpa, pages};
  }
  int add(vmm::kvm::TdxInitMemRegion& wish, bool measure = true) {
    return on_vcpu(TdxCommandId::init_mem_region, &wish, measure ? 1 : 0);
  }
  int add(uint64_t gpa, uint64_t pages, bool measure = true) {
    auto wish = region(gpa, pages);
    return add(wish, measure);
  }
  int finalize() { return on_vm(TdxCommandId::finalize_vm); }
  void create() {
    ASSERT_EQ(calls.create_vm(VmType::tdx), 0);
    ASSERT_EQ(calls.enable_cap(vmm::kvm::kCapSplitIrqchip, 24), 0);
    ASSERT_EQ(calls.enable_cap(vmm::kvm::kCapExitHypercall, 1 << 12), 0);
  }
  void prepare() {
    create();
    ASSERT_EQ(init_vm(), 0);
    ASSERT_EQ(calls.add_private_slot(0, 0, memory), 0);
    ASSERT_EQ(calls.create_vcpu(), 0);
    ASSERT_EQ(set_cpuid(), 0);
    ASSERT_EQ(init_vcpu(), 0);
    ASSERT_EQ(calls.set_private(0, memory.size()), 0);
  }

  TeeCalls calls;
  HostMemory memory{16 * 4096};
  HostMemory source{16 * 4096};
};

struct TdxTest : ::testing::Test, TdxLaunch {};

TEST_F(TdxTest, GoodLaunch) {
  prepare();
  source[0] = 9;
  EXPECT_EQ(add(0x1000, 2), 0);
  EXPECT_EQ(add(0x4000, 1, false), 0);
  EXPECT_EQ(finalize(), 0);
  const LaunchRecord& record = calls.machine().record();
  EXPECT_TRUE(record.finished);
  EXPECT_EQ(record.host_data[0], 0x11);
  EXPECT_EQ(record.host_data[47], 0x22);
  EXPECT_EQ(record.xfam, 0xe7u);
  EXPECT_EQ(calls.machine().vcpus().at(0).initial_rcx, 0x1234u);

  TdxChain expected;
  for (uint64_t gpa : {0x1000, 0x2000, 0x4000}) {
    expected.page_add(gpa);
    for (uint64_t at = 0; gpa != 0x4000 && at < 4096; at += 256) {
      uint64_t offset = gpa - 0x1000 + at;
      expected.extend(gpa + at, std::span<const uint8_t, 256>(source.data() + offset, 256));
    }
  }
  auto digest = expected.value();
  EXPECT_EQ(record.digest, std::vector<uint8_t>(digest.begin(), digest.end()));
  EXPECT_THAT(calls.kernel.findings(), IsEmpty());
  expect_golden("by_hand_tdx", calls.kernel.transcript());
}

// The documented record layout, written out once by hand: name at 0, GPA at 16, 128 bytes.
TEST(FakeTeeMrtd, RecordsAreTheSpecifications) {
  std::vector<uint8_t> said(128 + 128 + 256);
  std::memcpy(said.data(), "MEM.PAGE.ADD", 12);
  said[17] = 0x10;
  std::memcpy(said.data() + 128, "MR.EXTEND", 9);
  said[128 + 16] = 0x00;
  said[128 + 17] = 0x11;
  said[256] = 0xcc;
  TdxChain chain;
  chain.page_add(0x1000);
  chain.extend(0x1100, std::span<const uint8_t, 256>(said.data() + 256, 256));
  EXPECT_EQ(chain.value(), fake_sha384(said));
}

TEST_F(TdxTest, CommandsNeedACleanErrorField) {
  create();
  vmm::kvm::TdxCommand command;
  command.hw_error = 1;
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::tdx(TdxCommandId::capabilities), &command), -EINVAL);
}

TEST_F(TdxTest, Capabilities) {
  create();
  WithEntries<vmm::kvm::TdxCapabilities> caps;
  caps.head.cpuid.count = 2;
  EXPECT_EQ(on_vm(TdxCommandId::capabilities, &caps), -E2BIG);
  EXPECT_EQ(caps.head.cpuid.count, 2u);  // the caller is not told
  caps.head.cpuid.count = 8;
  EXPECT_EQ(on_vm(TdxCommandId::capabilities, &caps, 1), -EINVAL);
  EXPECT_EQ(on_vm(TdxCommandId::capabilities, &caps), 0);
  EXPECT_EQ(caps.head.cpuid.count, 3u);
  EXPECT_EQ(caps.head.supported_attrs, vmm::kvm::kTdxAttributeSeptVeDisable);
  EXPECT_EQ(caps.entries[2].function, 0x80000008u);
}

TEST_F(TdxTest, InitVmArguments) {
  create();
  auto refused = [this](auto change) {
    auto init = good_init();
    change(init);
    return init_vm(init);
  };
  EXPECT_EQ(refused([](Init& i) { i.head.attributes |= 1; }), -EINVAL);  // DEBUG
  EXPECT_EQ(refused([](Init& i) { i.head.xfam |= 1ull << 62; }), -EINVAL);
  EXPECT_EQ(refused([](Init& i) { i.head.reserved[11] = 1; }), -EINVAL);
  EXPECT_EQ(refused([](Init& i) { i.head.cpuid.padding = 1; }), -EINVAL);
  EXPECT_EQ(refused([](Init& i) { i.head.cpuid.count = 257; }), -E2BIG);
  EXPECT_EQ(refused([](Init& i) { i.head.cpuid.count = 0; }), -EINVAL);  // no 0x80000008
  EXPECT_EQ(refused([](Init& i) { i.entries[0].eax = 47 << 16; }), -EINVAL);
  auto init = good_init();
  EXPECT_EQ(on_vm(TdxCommandId::init_vm, &init, 1), -EINVAL);
  EXPECT_EQ(init_vm(), 0);
  EXPECT_EQ(init_vm(), -EINVAL);
}

TEST_F(TdxTest, InitVmCpuid) {
  create();
  auto with = [](uint32_t function, uint32_t ebx, uint32_t ecx) {
    auto init = good_init();
    init.head.cpuid.count = 2;
    init.entries[1].function = function;
    init.entries[1].ebx = ebx;
    init.entries[1].ecx = ecx;
    return init;
  };
  EXPECT_EQ(init_vm(with(0x15, 0, 0)), -EINVAL);  // not in the configurable list
  EXPECT_EQ(calls.hw_error, 0u);
  EXPECT_EQ(init_vm(with(7, 1 << 11, 0)), -EINVAL);  // TSX
  EXPECT_EQ(init_vm(with(7, 0, 1 << 5)), -EINVAL);   // WAITPKG
  EXPECT_EQ(calls.hw_error, 0u);
  EXPECT_EQ(init_vm(with(7, 1, 0)), -EINVAL);  // a bit that is not configurable: the module's no
  EXPECT_NE(calls.hw_error, 0u);
  EXPECT_EQ(init_vm(with(7, 1 << 3, 0)), 0);
}

TEST_F(TdxTest, FiveLevelAddresses) {
  calls.kernel.host().tdx_five_level_ept = false;
  create();
  auto init = good_init();
  init.entries[0].eax = 52 << 16;
  EXPECT_EQ(init_vm(init), -EINVAL);
  calls.kernel.host().tdx_five_level_ept = true;
  EXPECT_EQ(init_vm(init), 0);
}

TEST_F(TdxTest, VcpuBeforeInitVmOrWithoutSplitIrqchip) {
  ASSERT_EQ(calls.create_vm(VmType::tdx), 0);
  EXPECT_EQ(calls.on_vm(vmm::kvm::request::create_irqchip), -ENOTTY);
  EXPECT_EQ(calls.create_vcpu(), -EIO);
  ASSERT_EQ(init_vm(), 0);
  EXPECT_EQ(calls.create_vcpu(), -EINVAL);
  ASSERT_EQ(calls.enable_cap(vmm::kvm::kCapSplitIrqchip, 24), 0);
  EXPECT_EQ(calls.create_vcpu(), 0);
}

TEST_F(TdxTest, CommandsOnTheWrongDescriptor) {
  prepare();
  auto wish = region(0x1000, 1);
  EXPECT_EQ(on_vm(TdxCommandId::init_vcpu), -EINVAL);
  EXPECT_EQ(on_vm(TdxCommandId::init_mem_region, &wish), -EINVAL);
  EXPECT_EQ(on_vcpu(TdxCommandId::finalize_vm), -EINVAL);
  EXPECT_EQ(on_vcpu(TdxCommandId::capabilities), -EINVAL);
}

TEST_F(TdxTest, InitVcpuNeedsX2apicInCpuidAndComesOnce) {
  create();
  ASSERT_EQ(init_vm(), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  EXPECT_EQ(init_vcpu(), -EINVAL);
  ASSERT_EQ(set_cpuid(), 0);
  EXPECT_EQ(on_vcpu(TdxCommandId::init_vcpu, nullptr, 1), -EINVAL);
  EXPECT_EQ(init_vcpu(), 0);
  EXPECT_EQ(init_vcpu(), -EINVAL);
}

TEST_F(TdxTest, RegionArguments) {
  prepare();
  auto expect = [this](auto change) {
    auto wish = region(0x1000, 1);
    change(wish);
    EXPECT_EQ(add(wish), -EINVAL);
  };
  using Region = vmm::kvm::TdxInitMemRegion;
  expect([](Region& r) { r.source_addr = 0; });
  expect([](Region& r) { r.source_addr += 8; });
  expect([](Region& r) { r.gpa += 8; });
  expect([](Region& r) { r.nr_pages = 0; });
  expect([](Region& r) { r.nr_pages = 1ull << 52; });
  expect([](Region& r) { r.gpa |= 1ull << 47; });  // the shared bit
  auto wish = region(0x1000, 1);
  EXPECT_EQ(on_vcpu(TdxCommandId::init_mem_region, &wish, 2), -EINVAL);
  EXPECT_EQ(on_vcpu(TdxCommandId::init_mem_region, nullptr), -EFAULT);
}

TEST_F(TdxTest, RegionBeforeInitVcpu) {
  create();
  ASSERT_EQ(init_vm(), 0);
  ASSERT_EQ(calls.add_private_slot(0, 0, memory), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  ASSERT_EQ(calls.set_private(0, memory.size()), 0);
  EXPECT_EQ(add(0x1000, 1), -EINVAL);
}

TEST_F(TdxTest, RegionOfASharedPageOrWithoutSlot) {
  prepare();
  ASSERT_EQ(calls.set_private(0x2000, 4096, false), 0);
  auto wish = region(0x1000, 3);
  EXPECT_EQ(add(wish), -EINVAL);
  EXPECT_EQ(wish.gpa, 0x2000u);  // the first page went in
  EXPECT_EQ(wish.source_addr, source.address() + 4096);
  EXPECT_EQ(wish.nr_pages, 2u);
  ASSERT_EQ(calls.set_private(kMiB, 4096), 0);
  EXPECT_EQ(add(kMiB, 1), -EINVAL);
}

TEST_F(TdxTest, RegionTwice) {
  prepare();
  EXPECT_EQ(add(0x1000, 1), 0);
  EXPECT_EQ(add(0x1000, 1), -EIO);
}

TEST_F(TdxTest, RegionFromBadMemory) {
  prepare();
  vmm::kvm::TdxInitMemRegion wish{0x1000, 0x1000, 1};
  EXPECT_EQ(add(wish), -EFAULT);
}

TEST_F(TdxTest, SignalInTheMiddle) {
  prepare();
  calls.kernel.host().interrupt_after_pages = 2;
  auto wish = region(0x1000, 3);
  EXPECT_EQ(add(wish), -EINTR);
  EXPECT_EQ(wish.nr_pages, 1u);
  EXPECT_EQ(wish.gpa, 0x3000u);
  EXPECT_EQ(add(wish), 0);
  EXPECT_EQ(calls.machine().record().loaded.size(), 3u);
}

TEST_F(TdxTest, Finalize) {
  create();
  EXPECT_EQ(finalize(), -EINVAL);  // before INIT_VM
  ASSERT_EQ(init_vm(), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  calls.kernel.host().tdx_busy = true;
  EXPECT_EQ(finalize(), -EBUSY);
  calls.kernel.host().tdx_busy = false;
  EXPECT_EQ(finalize(), 0);
  EXPECT_EQ(finalize(), -EINVAL);
  EXPECT_EQ(init_vcpu(), -EINVAL);
  EXPECT_EQ(add(0x1000, 1), -EINVAL);
  EXPECT_EQ(calls.create_vcpu(1), -EIO);
  EXPECT_THAT(calls.kernel.findings(), ElementsAre(HasSubstr("no INIT_VCPU")));
}

TEST_F(TdxTest, RunBeforeFinalizeOrInitVcpu) {
  prepare();
  EXPECT_EQ(calls.run(), -EINVAL);
}

TEST_F(TdxTest, RegistersAreNeverTheHosts) {
  prepare();
  int vcpu = calls.vcpus[0].get();
  kvm_regs regs{};
  kvm_lapic_state lapic{};
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::set_regs, &regs), -EINVAL);
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::set_lapic, &lapic), -EINVAL);
}

TEST_F(TdxTest, Msrs) {
  prepare();
  struct {
    vmm::kvm::MsrsHead head{1, 0};
    kvm_msr_entry entry{};
  } msrs;
  for (auto [index, set] : {std::pair{0x2ffu, 1}, {0x1bu, 0}, {0xc0000080u, 0}, {0x3au, 0}}) {
    msrs.entry.index = index;
    EXPECT_EQ(calls.call(calls.vcpus[0].get(), vmm::kvm::request::set_msrs, &msrs), set) << index;
  }
}

TEST_F(TdxTest, WithoutSeptVeDisableIsFound) {
  create();
  auto init = good_init();
  init.head.attributes = 0;
  EXPECT_EQ(init_vm(init), 0);
  EXPECT_THAT(calls.kernel.findings(), ElementsAre(HasSubstr("SEPT_VE_DISABLE")));
}

// "Not measured" is not "not in MRTD": that the page was added, and where, is.
TEST_F(TdxTest, UnmeasuredPagesChangeMrtd) {
  auto digest_of = [](uint64_t pages, uint8_t content) {
    TdxLaunch other;
    other.prepare();
    other.source[0] = content;
    EXPECT_EQ(other.add(0x1000, pages, false), 0);
    EXPECT_EQ(other.finalize(), 0);
    return other.calls.machine().record().digest;
  };
  EXPECT_NE(digest_of(1, 0), digest_of(2, 0));
  EXPECT_EQ(digest_of(1, 0), digest_of(1, 1));
}

TEST_F(TdxTest, VcpusOfOtherTypesTakeNoCommands) {
  ASSERT_EQ(calls.create_vm(VmType::snp), 0);
  ASSERT_EQ(calls.create_vcpu(), 0);
  EXPECT_EQ(init_vcpu(), -ENOTTY);
}

TEST_F(TdxTest, PreFault) {
  prepare();
  vmm::kvm::PreFaultMemory wish;
  wish.gpa = 0xf000;
  wish.size = 8192;
  int vcpu = calls.vcpus[0].get();
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::pre_fault_memory, &wish), -EOPNOTSUPP);
  ASSERT_EQ(finalize(), 0);
  wish.flags = 1;
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::pre_fault_memory, &wish), -EINVAL);
  wish.flags = 0;
  EXPECT_EQ(calls.call(vcpu, vmm::kvm::request::pre_fault_memory, &wish), 0);
  EXPECT_EQ(wish.gpa, 0x10000u);
  EXPECT_EQ(wish.size, 4096u);
}

}  // namespace
}  // namespace bartizan::fakes
