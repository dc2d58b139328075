#include "machine/plan.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "boot/boot_image.hpp"
#include "boot/command_line.hpp"
#include "boot/layout.hpp"
#include "bundle/bundle.hpp"
#include "manifest/stations.hpp"

namespace bartizan::machine {
namespace {

constexpr const char* kOrigin = "machine/plan";

// Segment attributes in the VMCB's form: see tee::Segment.
constexpr uint16_t kCode64 = 0xa9b, kData32 = 0xc93, kCode16 = 0x9b, kData16 = 0x93, kLdt = 0x82,
                   kBusyTask = 0x8b;
constexpr uint32_t kAll = 0xffffffff;

// CR0: PG, AM, WP, NE, ET, MP, PE. CR4: PAE. EFER: LMA, LME.
constexpr uint64_t kLongModeCr0 = 0x80050033, kLongModeCr4 = 0x20, kLongModeEfer = 0x500;

// Linux's 64-bit boot protocol: long mode, flat segments of the GDT, boot_params in RSI, interrupts
// off.
tee::CpuState boot_processor(uint64_t entry, uint8_t c_bit) {
  tee::CpuState cpu;
  cpu.rip = entry;
  cpu.rsp = cpu.rbp = boot::kStackTop;
  cpu.rsi = boot::kBootParamsAddress;
  cpu.cr0 = kLongModeCr0;
  cpu.cr3 = boot::kPageTablesAddress | (c_bit == 0 ? 0 : 1ull << c_bit);
  cpu.cr4 = kLongModeCr4;
  cpu.efer = kLongModeEfer;
  cpu.cs = {boot::kCodeSelector, kCode64, kAll, 0};
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = {boot::kDataSelector, kData32, kAll, 0};
  cpu.ldtr = {0, kLdt, 0xffff, 0};
  cpu.tr = {0, kBusyTask, 0xffff, 0};
  cpu.gdtr = {0, 0, boot::kGdtBytes - 1, boot::kGdtAddress};
  cpu.idtr = {0, 0, 0, 0};
  return cpu;
}

// The state after reset (APM volume 2, table 14-1), in which a processor waits for INIT and SIPI.
tee::CpuState parked_processor() {
  tee::CpuState cpu;
  cpu.rip = 0xfff0;
  cpu.cr0 = 0x60000010;
  cpu.cs = {0xf000, kCode16, 0xffff, 0xffff0000};
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = {0, kData16, 0xffff, 0};
  cpu.ldtr = {0, kLdt, 0xffff, 0};
  cpu.tr = {0, kBusyTask, 0xffff, 0};
  cpu.gdtr = cpu.idtr = {0, 0, 0xffff, 0};
  return cpu;
}

Result<uint8_t> c_bit_of(Tee tee) {
  if (tee == Tee::none) return uint8_t{0};
  if (tee == Tee::simulated) return tee::kSimulatedCBit;
  return make_error(ErrorCode::unsupported, kOrigin,
                    "TEE \"{}\": this version plans launches for \"none\" and \"simulated\" only",
                    to_string(tee));
}

Result<uint64_t> ram_bytes(uint32_t ram_mib) {
  if (ram_mib >= kMinRamMib && ram_mib <= kMaxRamMib) return uint64_t{ram_mib} << 20;
  return make_error(ErrorCode::invalid_argument, kOrigin, "{} MiB of RAM: {} to {} are possible",
                    ram_mib, kMinRamMib, kMaxRamMib);
}

std::vector<tee::RamRegion> ram_regions(uint64_t bytes) {
  uint64_t low = std::min(bytes, boot::kMmioHoleStart);
  std::vector<tee::RamRegion> regions = {{{0}, low}};
  if (bytes > low) regions.push_back({{boot::kMmioHoleEnd}, bytes - low});
  return regions;
}

Result<boot::BootImage> boot_image(const LaunchOptions& options, bool key_from_caller, uint64_t ram,
                                   uint8_t c_bit) {
  auto bundle = TRY(bundle::load_bundle(options.bundle));
  std::string_view parts[] = {bundle.info.command_line,
                              key_from_caller ? contract::kKeyFromCaller : std::string_view(),
                              options.extra_command_line};
  auto command_line = TRY(boot::join_command_line(parts));
  return boot::make_boot_image(
      {bundle.kernel, bundle.initrd, std::move(command_line), options.vcpus, ram, c_bit});
}

}  // namespace

Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, bool key_from_caller) {
  tee::LaunchPlan plan;
  plan.tee = options.tee;
  plan.guest_features = options.guest_features;
  plan.c_bit = TRY(c_bit_of(options.tee));
  plan.policy = options.tee == Tee::none ? 0 : tee::kDefaultSnpPolicy;
  uint64_t ram = TRY(ram_bytes(options.ram_mib));
  plan.ram = ram_regions(ram);
  auto image = TRY(boot_image(options, key_from_caller, ram, plan.c_bit));
  for (auto& chunk : image.chunks) {
    plan.items.push_back({chunk.address, tee::PageKind::normal, std::move(chunk.what), chunk.size,
                          std::move(chunk.bytes)});
  }
  plan.cpus.push_back(boot_processor(image.entry, plan.c_bit));
  plan.cpus.resize(options.vcpus, parked_processor());
  return plan;
}

}  // namespace bartizan::machine
