// Mistakes in a plan that no call refuses and that only a guest in real hardware would trip over
// (tests/fake_kvm/README.md lists them): where ACPI tables, secrets and RAM lie, and which processor
// has which APIC id.
#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "plan/measure/launch_planner.hpp"
#include "unit/plan/bundle/sample.hpp"

namespace bartizan {
namespace {

using plan::tee::LaunchPlan;
using plan::tee::PageKind;

constexpr uint32_t kRamType = 1, kReservedType = 2, kAcpiType = 3, kNvsType = 4;
constexpr uint64_t kFirstMegabyte = 0x100000;

// A planned guest's memory and memory map, as its kernel reads them.
class Planned {
 public:
  explicit Planned(const LaunchPlan& plan) : plan_(plan) {
    auto page = bytes(boot_params_address(), sizeof(::boot_params));
    params_ = load_le<::boot_params>(page.data());
  }
  const ::boot_params& params() const { return params_; }

  Bytes bytes(uint64_t at, size_t size) const {
    for (const auto& item : plan_.items) {
      uint64_t base = item.address.value;
      if (at < base || at + size > base + item.size || item.kind != PageKind::normal) continue;
      Bytes whole(*item.bytes);
      whole.resize(item.size);
      auto first = whole.begin() + static_cast<ptrdiff_t>(at - base);
      return {first, first + static_cast<ptrdiff_t>(size)};
    }
    ADD_FAILURE() << std::hex << at << ": nothing is loaded there";
    return Bytes(size);
  }
  // Of the whole range; 0: in no entry of the map, or not in one.
  uint32_t type_of(uint64_t at, uint64_t size) const {
    for (size_t i = 0; i < params_.e820_entries; ++i) {
      const auto& entry = params_.e820_table[i];
      if (at >= entry.addr && at + size <= entry.addr + entry.size) return entry.type;
    }
    return 0;
  }
  bool is_ram(uint64_t at, uint64_t size) const {
    return std::ranges::any_of(plan_.ram, [&](const RamRegion& region) {
      return at >= region.base.value && at + size <= region.base.value + region.size;
    });
  }

 private:
  uint64_t boot_params_address() const {
    auto named = [](const auto& item) { return item.what == "boot_params"; };
    return std::ranges::find_if(plan_.items, named)->address.value;
  }
  const LaunchPlan& plan_;
  ::boot_params params_{};
};

// Linux maps a table as private memory only where the map has type ACPI: in reserved memory or a
// hole the guest reads garbage (arch/x86/mm/ioremap.c). Firmware areas are not searched in SNP
// guests.
void check_acpi(const Planned& guest, uint32_t vcpus) {
  auto table = [&](uint64_t at) {
    Bytes head = guest.bytes(at, 36);
    auto size = load_le<uint32_t>(&head[4]);
    uint32_t type = guest.type_of(at, size);
    EXPECT_TRUE(type == kAcpiType || type == kNvsType) << std::hex << at << " has type " << type;
    return guest.bytes(at, size);
  };
  uint64_t at = guest.params().acpi_rsdp_addr;
  ASSERT_NE(at, 0u) << "found by its address alone";
  EXPECT_EQ(guest.type_of(at, 36), kAcpiType);
  Bytes root = table(load_le<uint64_t>(&guest.bytes(at, 36)[24]));
  size_t ids = 0;
  for (size_t entry = 36; entry < root.size(); entry += 8) {
    Bytes found = table(load_le<uint64_t>(&root[entry]));
    if (as_text(ByteView(found).first(4)) == "FACP") table(load_le<uint64_t>(&found[140]));
    if (as_text(ByteView(found).first(4)) != "APIC") continue;
    // KVM's vCPU ids are 0, 1, … : AP_CREATION and the TDX mailbox name processors by APIC id.
    for (size_t i = 44; i + 2 <= found.size() && found[i + 1] != 0; i += found[i + 1]) {
      if (found[i] != 0 && found[i] != 9) continue;
      EXPECT_EQ(found[i] == 0 ? found[i + 3] : load_le<uint32_t>(&found[i + 4]), ids++);
    }
  }
  EXPECT_EQ(ids, vcpus);
}

// What the map calls RAM must be RAM; and no device's window may be among it.
void check_map(const Planned& guest, uint64_t ram_bytes) {
  uint64_t end = 0, listed = 0;
  for (size_t i = 0; i < guest.params().e820_entries; ++i) {
    const auto& entry = guest.params().e820_table[i];
    EXPECT_GE(entry.addr, end) << "ascending, disjoint";
    end = entry.addr + entry.size;
    if (entry.type == kReservedType) continue;
    EXPECT_TRUE(guest.is_ram(entry.addr, entry.size)) << std::hex << entry.addr;
    EXPECT_TRUE(end <= 0xd000'0000 || entry.addr >= 0x1'0000'0000) << std::hex << entry.addr;
    if (entry.type == kRamType) listed += entry.size;
  }
  EXPECT_GT(listed, ram_bytes - 2 * kFirstMegabyte) << "RAM that the guest is not told of";
  EXPECT_TRUE(guest.is_ram(0, 4096)) << "Linux reads the words 0x40e and 0x413";
}

// The kernel maps these pages again late: where it might hand them out as RAM, they would be gone.
void check_special_pages(const Planned& guest, const LaunchPlan& plan) {
  for (const auto& item : plan.items) {
    EXPECT_TRUE(guest.is_ram(item.address.value, item.size)) << item.what;
    if (item.kind != PageKind::secrets && item.kind != PageKind::cpuid) continue;
    bool kept = item.address.value + item.size <= kFirstMegabyte ||
                guest.type_of(item.address.value, item.size) != kRamType;
    EXPECT_TRUE(kept) << item.what;
  }
}

TEST(PlanLint, EveryTeeAndSize) {
  Sample sample;
  LaunchOptions options;
  options.bundle = create_bundle(sample.options).value().path;
  size_t checked = 0;
  for (Tee tee : {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    for (auto [vcpus, ram_mib] : {std::pair(1u, 256u), {3u, 3328u}, {8u, 4096u}, {254u, 66560u}}) {
      options.tee = tee;
      options.vcpus = vcpus;
      options.ram_mib = ram_mib;
      auto plan = plan::measure::make_plan(options, false);
      // Without the boot stub there is no plan for hardware; with it, it is checked here.
      if (!plan.ok() && plan.error().code == ErrorCode::unsupported && tee >= Tee::sev) continue;
      ASSERT_TRUE(plan.ok()) << plan.error().describe();
      SCOPED_TRACE(testing::Message() << to_string(tee) << " " << vcpus << " " << ram_mib);
      Planned guest(*plan);
      check_acpi(guest, vcpus);
      check_map(guest, uint64_t{ram_mib} << 20);
      check_special_pages(guest, *plan);
      ++checked;
    }
  }
  EXPECT_GE(checked, 8u);
}

}  // namespace
}  // namespace bartizan
