// Whole launches through the boot stub on the fake kernel: a bundle's plan under every hardware
// TEE, as `bartizan run` makes it.
#include <cstring>
#include <filesystem>

#include "fake_kvm/launch_support.hpp"
#include "guest/stub/image.hpp"
#include "plan/boot/layout.hpp"
#include "unit/plan/boot/fake_kernel.hpp"

namespace bartizan::launches {
namespace {

using fakes::guest::expect_private;
using fakes::guest::expect_shared;
using fakes::guest::touch_private;
using fakes::guest::touch_shared;
using fakes::guest::validate;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vmm::vcpu::End;

Bytes newest_debian_kernel() {
  std::filesystem::path newest;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/boot", none)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with("vmlinuz-") || !name.ends_with("-cloud-amd64")) continue;
    if (newest.empty() ||
        ::strverscmp(newest.filename().c_str(), entry.path().filename().c_str()) < 0)
      newest = entry.path();
  }
  if (newest.empty()) return {};
  return read_file(newest, plan::boot::kMaxKernelBytes).value();
}

class StubLaunch : public ::testing::TestWithParam<Tee> {
 protected:
  void SetUp() override {
    auto name = (std::filesystem::temp_directory_path() / "bartizan-stub-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = std::make_unique<Unfinished>(name);
    options_.tee = GetParam();
    options_.bundle = name;
    options_.vcpus = 2;
    options_.ram_mib = 256;
  }
  void small_bundle() {
    write_bundle(options_.bundle, plan::boot::fake_kernel(), Bytes(5000, 0xab));
  }
  plan::tee::LaunchPlan wanted() { return plan::measure::make_plan(options_, false).value(); }
  VirtualMachine& launch(const plan::tee::LaunchPlan& plan) {
    auto made = create(kernel_, plan);
    if (!made.ok()) ADD_FAILURE() << made.error().describe();
    machine_ = std::move(*made);
    return *machine_;
  }
  guest_abi::StubTable table(const plan::tee::LaunchPlan& plan) {
    auto item = std::ranges::find(plan.items, "launch_table", &plan::tee::PlanItem::what);
    return load_le<guest_abi::StubTable>(item->bytes->data());
  }
  bool validates() const { return GetParam() == Tee::snp || GetParam() == Tee::tdx; }
  const fakes::LaunchRecord& record() { return kernel_->last_vm().record(); }

  LaunchOptions options_;
  std::unique_ptr<Unfinished> folder_;
  std::shared_ptr<TeeKernel> kernel_ = std::make_shared<TeeKernel>();
  std::unique_ptr<VirtualMachine> machine_;
};

INSTANTIATE_TEST_SUITE_P(Tees, StubLaunch,
                         ::testing::Values(Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx),
                         [](const auto& info) {
                           std::string name(to_string(info.param));
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(StubLaunch, DebiansKernelLaunchesAsMeasured) {
  Bytes kernel = newest_debian_kernel();
  if (kernel.empty()) GTEST_SKIP() << "no /boot/vmlinuz-*-cloud-amd64";
  write_bundle(options_.bundle, kernel, Bytes(3 * kMiB + 17, 0x5a));
  auto plan = wanted();
  launch(plan);
  EXPECT_TRUE(record().finished);
  EXPECT_EQ(record().digest, expected_digest(plan));
  EXPECT_EQ(record().policy, GetParam() == Tee::tdx ? record().policy : plan.guest_policy);
  EXPECT_THAT(kernel_->findings(), IsEmpty());
  auto measured = measure(options_).value();
  EXPECT_EQ(measured.digest, record().digest) << "the public interface says the same";
  EXPECT_LE(measured.page_count, plan::tee::kMaxLoadedPages);
}

// Readable, and reviewed in diffs. The stub here is none: its code changes more often than calls.
TEST_P(StubLaunch, Transcript) {
  small_bundle();
  auto plan = plan::measure::make_plan(options_, false, Bytes(5000, 0x90)).value();
  launch(plan);
  EXPECT_EQ(record().digest, expected_digest(plan));
  EXPECT_THAT(kernel_->findings(), IsEmpty());
  fakes::expect_golden("stub_" + std::string(to_string(GetParam())), kernel_->transcript());
}

// The stub's way through memory: its own pages are there, staged bytes are shared, RAM is its own
// after validation, and nothing is validated twice.
TEST_P(StubLaunch, TheStubFindsWhatItNeeds) {
  small_bundle();
  options_.ram_mib = 128;
  auto plan = wanted();
  auto code = guest::stub::boot_stub();
  auto table = this->table(plan);
  auto& script = kernel_->scripts()[0];
  if (GetParam() == Tee::tdx) {
    auto distance =
        static_cast<uint32_t>(guest_abi::kStubAddress - (guest_abi::kTdxResetVector + 5));
    Bytes jump = {0xe9, 0, 0, 0, 0};
    store_le(&jump[1], distance);
    script.push_back(fakes::guest::expect_private(guest_abi::kTdxResetVector, jump));
  }
  script.push_back(
      fakes::guest::expect_private(guest_abi::kStubAddress, Bytes(code.begin(), code.end())));
  script.push_back(fakes::guest::touch_private(guest_abi::kStubStackAddress, 4096));
  script.push_back(fakes::guest::touch_private(
      guest_abi::kStubPageTables, guest_abi::kStubPageTablesEnd - guest_abi::kStubPageTables));
  script.push_back(fakes::guest::touch_shared(guest_abi::kStagingAddress));
  for (const auto& blob : plan.staged) {
    script.push_back(fakes::guest::expect_shared(blob.address.value, *blob.bytes));
  }
  for (uint32_t i = 0; i < table.range_count; i++) {
    // Of large ranges the first pages will do.
    uint64_t size = std::min<uint64_t>(table.ranges[i].pages * 4096, 2 * kMiB);
    script.push_back(fakes::guest::validate(table.ranges[i].address, size));
  }
  for (const auto& item : plan.items)
    script.push_back(fakes::guest::touch_private(item.address.value, item.size));
  script.push_back(fakes::guest::touch_private(0, 4096));
  if (GetParam() == Tee::tdx)
    script.push_back(
        fakes::guest::touch_private(plan::boot::kLowRamEnd, 0x100000 - plan::boot::kLowRamEnd));
  script.push_back(power_off());
  auto& machine = launch(plan);
  auto end = run(machine);
  EXPECT_EQ(end.kind, End::Kind::shutdown) << end.detail;
  EXPECT_THAT(kernel_->findings(), IsEmpty());
  EXPECT_EQ(table.range_count == 0, !validates());
}

// Devices have no way to staged bytes, and its memory goes back when it is not needed any more.
TEST_P(StubLaunch, StagingIsNoRamAndIsGivenBack) {
  small_bundle();
  auto plan = wanted();
  auto& machine = launch(plan);
  uint8_t byte = 0;
  auto read = machine.memory().read({guest_abi::kStagingFirst}, {&byte, 1});
  EXPECT_EQ(read.error().code, ErrorCode::invalid_argument) << "not RAM";
  machine.give_back_staging();
  kernel_->scripts()[0] = {fakes::guest::expect_shared(guest_abi::kStagingFirst, Bytes(8192)),
                           power_off()};
  EXPECT_EQ(run(machine).kind, End::Kind::shutdown);
  EXPECT_THAT(kernel_->findings(), IsEmpty());
}

TEST_P(StubLaunch, LargeGuestsAreLaidOutAlike) {
  small_bundle();
  options_.ram_mib = kMaxRamMib;
  auto plan = wanted();
  uint64_t ram = 0;
  for (const auto& region : plan.ram) {
    if (region.base.value != guest_abi::kTdxResetPage) ram += region.size;
  }
  EXPECT_EQ(ram, uint64_t{kMaxRamMib} << 20);
  EXPECT_EQ(plan.ram.back().base.value, plan::boot::kRamAbove4GiB);
  if (validates()) {
    auto table = this->table(plan);
    const auto& last = table.ranges[table.range_count - 1];
    EXPECT_EQ(last.address + last.pages * 4096,
              plan::boot::kRamAbove4GiB + ram - plan::boot::kMmioHoleStart);
  }
  options_.ram_mib = 64 * 1024;
  launch(wanted());
  EXPECT_THAT(kernel_->findings(), IsEmpty());
}

// The figure that a launch by security processor costs: kernel and initrd have no part in it.
TEST_P(StubLaunch, PagesDoNotGrowWithTheBundle) {
  small_bundle();
  auto small = measure(options_).value();
  // the largest initrd
  write_bundle(options_.bundle, plan::boot::fake_kernel("6.1.0-test", 2 * kMiB), Bytes(8 * kMiB));
  options_.ram_mib = 4096;
  auto large = measure(options_).value();
  EXPECT_EQ(large.page_count, small.page_count);
  EXPECT_LE(small.page_count, plan::tee::kMaxLoadedPages);
  EXPECT_NE(large.digest, small.digest);
  options_.vcpus = kMaxVcpus;
  auto many = measure(options_).value();
  bool vmsas = GetParam() == Tee::sev_es || GetParam() == Tee::snp;
  EXPECT_EQ(many.page_count - small.page_count, vmsas ? kMaxVcpus - 2 : 0)
      << "one register page a vCPU, and nothing else";
}

TEST_P(StubLaunch, AnotherCBitThanTheProcessorsIsRefused) {
  small_bundle();
  kernel_->host().c_bit = 47;
  auto made = create(kernel_, wanted());
  if (GetParam() == Tee::tdx) {
    EXPECT_TRUE(made.ok());
    return;
  }
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().message, HasSubstr("planned for C-bit 51; this processor's is 47"));
  options_.c_bit = 47;
  auto plan = wanted();
  launch(plan);
  EXPECT_EQ(record().digest, expected_digest(plan));
}

TEST_P(StubLaunch, MeasureSetHasEachProcessorsCBit) {
  small_bundle();
  MeasureOptions set;
  set.launch = options_;
  set.vcpu_types = {"EPYC-Milan", "EPYC-Rome", "EPYC-Genoa", "EPYC"};
  auto bits = [&] {
    std::vector<uint32_t> list;
    auto all = measure_set(set).value();
    for (const auto& one : all) list.push_back(one.c_bit);
    return list;
  };
  bool tdx = GetParam() == Tee::tdx;
  EXPECT_EQ(bits(), (tdx ? std::vector<uint32_t>{47} : std::vector<uint32_t>{51, 47}));
  set.c_bits = {47};
  EXPECT_EQ(measure_set(set).error().code, ErrorCode::invalid_argument) << "given twice";
  set.vcpu_types.clear();
  EXPECT_EQ(bits(), std::vector<uint32_t>{47});
  set.c_bits = {51, 51, 48};
  if (tdx) return;
  EXPECT_EQ(bits(), (std::vector<uint32_t>{51, 48}));
}

// Where further processors begin is in what is measured.
TEST_P(StubLaunch, FurtherProcessorsBeginWhereTheContractSays) {
  small_bundle();
  auto plan = wanted();
  const auto& boot = plan.cpus[0];
  const auto& other = plan.cpus[1];
  EXPECT_EQ(boot.rip, guest_abi::kStubAddress);
  EXPECT_EQ(boot.cr0, 0x11u);
  EXPECT_EQ(boot.efer, 0x100u);
  EXPECT_EQ(boot.cr4, 0x20u);
  EXPECT_EQ(boot.cr3, 0u) << "nothing of the host's in it";
  if (GetParam() == Tee::snp) {
    EXPECT_EQ(other.rip, guest_abi::kStubAddress + guest_abi::kStubPark32);
  } else if (GetParam() == Tee::sev_es) {
    EXPECT_EQ(other.cs.base + other.rip, guest_abi::kStubAddress + guest_abi::kStubApEntry16);
    EXPECT_EQ(other.cr0 & 1, 0u) << "real mode";
  } else {
    EXPECT_EQ(other.rip, 0xfff0u);
  }
}

}  // namespace
}  // namespace bartizan::launches
