#include "plan/measure/launch_planner.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/guest_address.hpp"
#include "guest/stub/image.hpp"
#include "guest_abi/boot_stages.hpp"
#include "plan/boot/boot_image.hpp"
#include "plan/boot/command_line.hpp"
#include "plan/boot/layout.hpp"
#include "plan/bundle/bundle.hpp"
#include "plan/bundle/guest_tees.hpp"
#include "plan/measure/launch_secret_page.hpp"

namespace bartizan::plan::measure {
namespace {

constexpr const char* kOrigin = "plan/measure/launch_planner";

// Segment attributes in the VMCB's form: see tee::Segment.
constexpr uint16_t kCode32 = 0xc9b, kData32 = 0xc93, kCode16 = 0x9b, kData16 = 0x93, kLdt = 0x82,
                   kBusyTask = 0x8b;
constexpr uint16_t kFlatCode = 8, kFlatData = 16;  // selectors; the stub loads a GDT of its own
constexpr uint32_t kAll = 0xffffffff;
constexpr uint64_t kProtectionOn = 0x11;      // CR0: ET, PE
constexpr uint64_t kLongModeEnable = 0x100;   // EFER
constexpr uint64_t kAddressExtension = 0x20;  // CR4: PAE

// Where C-bits can be: page table entries have address bits up to 51, and below 32 is memory.
constexpr uint32_t kLowestCBit = 32, kHighestCBit = 51;

static_assert(static_cast<uint32_t>(Tee::simulated) ==
              static_cast<uint32_t>(guest_abi::StubPlatform::simulated));
static_assert(static_cast<uint32_t>(Tee::tdx) ==
              static_cast<uint32_t>(guest_abi::StubPlatform::tdx));

guest_abi::StubPlatform platform_of(Tee tee) {
  return static_cast<guest_abi::StubPlatform>(tee);
}

// Protected mode without paging, flat segments: the stub's contract (guest_abi/stub_table.hpp). No
// register depends on the host, so neither does the digest of a VMSA.
tee::CpuState protected_mode(uint64_t entry) {
  tee::CpuState cpu;
  cpu.rip = entry;
  cpu.cr0 = kProtectionOn;
  cpu.cr4 = kAddressExtension;
  cpu.efer = kLongModeEnable;
  cpu.cs = {kFlatCode, kCode32, kAll, 0};
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = {kFlatData, kData32, kAll, 0};
  cpu.ldtr = {0, kLdt, 0xffff, 0};
  cpu.tr = {0, kBusyTask, 0xffff, 0};
  return cpu;
}

// The state after reset (APM volume 2, table 14-1), in which a processor waits for INIT and SIPI.
tee::CpuState after_reset() {
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

// SEV-ES: KVM takes the first SIPI as "go", but the target is in the measured state alone: the
// stub, which looks into the AP jump table. SNP: Linux makes the real state of its processors
// itself, so this one never runs. Everywhere else KVM does what a processor does.
tee::CpuState further_processor(Tee tee) {
  if (tee == Tee::snp) return protected_mode(guest_abi::kStubAddress + guest_abi::kStubPark32);
  tee::CpuState cpu = after_reset();
  if (tee != Tee::sev_es) return cpu;
  cpu.rip = guest_abi::kStubApEntry16;
  cpu.cs = {guest_abi::kStubAddress >> 4, kCode16, 0xffff, guest_abi::kStubAddress};
  return cpu;
}

uint8_t default_address_bit(Tee tee) {
  switch (tee) {
    case Tee::none:
      return 0;
    case Tee::simulated:
      return tee::kSimulatedCBit;
    case Tee::tdx:
      return tee::kTdxSharedBit;
    case Tee::sev:
    case Tee::sev_es:
    case Tee::snp:
      break;
  }
  return tee::kDefaultCBit;
}

Result<uint8_t> address_bit(const LaunchOptions& options) {
  const Tee tee = options.tee;
  const uint8_t usual = default_address_bit(tee);
  if (options.c_bit == 0 || options.c_bit == usual) return usual;
  bool amd = tee == Tee::sev || tee == Tee::sev_es || tee == Tee::snp;
  bool possible = amd && options.c_bit >= kLowestCBit && options.c_bit <= kHighestCBit;
  if (possible) return static_cast<uint8_t>(options.c_bit);
  if (!amd) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "C-bit {} with TEE \"{}\": it has {}",
                      options.c_bit, to_string(tee), usual == 0 ? "none" : fmt::to_string(usual));
  }
  return make_error(ErrorCode::invalid_argument, kOrigin, "C-bit {} out of range {} to {}",
                    options.c_bit, kLowestCBit, kHighestCBit);
}

Result<uint64_t> ram_bytes(uint32_t ram_mib) {
  if (ram_mib >= kMinRamMib && ram_mib <= kMaxRamMib) return ram_mib * kMiB;
  return make_error(ErrorCode::invalid_argument, kOrigin, "RAM of {} MiB out of range {} to {}",
                    ram_mib, kMinRamMib, kMaxRamMib);
}

// The guest would refuse a second word; better here, where somebody reads the error.
Result<void> check_names_no_tee(std::string_view text) {
  if (text.find(guest_abi::kTeeWord) == text.npos) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin,
                    "kernel command line \"{}\": leave out {}, which the launch adds itself", text,
                    guest_abi::kTeeWord);
}

Result<boot::BootImage> boot_image(const LaunchOptions& options,
                                   const LoadedBundle::Content& bundle, bool key_from_caller,
                                   uint64_t ram, uint8_t bit, ByteView stub) {
  TRY(bundle::check_guest_of(bundle.info, options.tee));
  TRY(check_names_no_tee(bundle.info.command_line));
  TRY(check_names_no_tee(options.extra_command_line));
  const std::string tee = fmt::format("{}{}", guest_abi::kTeeWord, to_string(options.tee));
  std::string_view parts[] = {bundle.info.command_line, tee,
                              key_from_caller ? guest_abi::kKeyFromCaller : std::string_view(),
                              options.extra_command_line};
  auto command_line = TRY(boot::join_command_line(parts));
  return boot::make_boot_image(
      {bundle.kernel, bundle.initrd, std::move(command_line), options.vcpus, ram,
       platform_of(options.tee), bit, stub,
       attest::evidence::is_pre_attested(options.tee) ? launch_secret_page() : Bytes()});
}

Result<void> check_size(const std::vector<tee::PlanItem>& items) {
  uint64_t pages = 0;
  for (const tee::PlanItem& item : items) pages += item.size / kPageSize;
  if (pages <= tee::kMaxLoadedPages) return {};
  return make_error(ErrorCode::internal, kOrigin, "launch of {} pages: at most {} are allowed",
                    pages, tee::kMaxLoadedPages);
}

// {SHA-256, 16 zero bytes} for each blob, in the table's order.
std::vector<tee::RuntimeExtend> extends(const guest_abi::StubTable& table) {
  std::vector<tee::RuntimeExtend> list;
  for (uint32_t i = 0; i < table.blob_count; i++) {
    const auto& blob = table.blobs[i];
    auto& extend = list.emplace_back();
    extend.index = guest_abi::stub_rtmr_of(static_cast<guest_abi::StubBlobKind>(blob.kind));
    std::ranges::copy(blob.sha256, extend.value.begin());
  }
  return list;
}

}  // namespace

uint64_t default_guest_policy(Tee tee) {
  switch (tee) {
    case Tee::none:
    case Tee::tdx:
      return 0;
    case Tee::sev:
      return kDefaultSevPolicy;
    case Tee::sev_es:
      return kDefaultSevEsPolicy;
    case Tee::simulated:
    case Tee::snp:
      break;
  }
  return kDefaultSnpPolicy;
}

namespace {

Result<tee::LaunchPlan> plan_of(const LaunchOptions& options, const LoadedBundle& bundle,
                                bool key_from_caller, ByteView stub) {
  tee::LaunchPlan plan;
  plan.tee = options.tee;
  plan.c_bit = TRY(address_bit(options));
  plan.guest_policy = default_guest_policy(options.tee);
  plan.guest_features = options.guest_features;
  uint64_t ram = TRY(ram_bytes(options.ram_mib));
  plan.ram = boot::ram_regions(ram, platform_of(options.tee));
  auto image = TRY(boot_image(options, bundle.content(), key_from_caller, ram, plan.c_bit, stub));
  if (options.tee == Tee::tdx) plan.extends = extends(image.table);
  if (image.secret_segment != 0) plan.secret = {image.secret_segment + kSecretOffset};
  TRY(check_size(image.items));
  plan.items = std::move(image.items);
  plan.staged = std::move(image.staged);
  // The TDX module fixes a TD's initial state; these values are unused.
  plan.cpus.push_back(protected_mode(guest_abi::kStubAddress + guest_abi::kStubEntry32));
  plan.cpus.resize(options.vcpus, further_processor(options.tee));
  return plan;
}

}  // namespace

Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, const LoadedBundle& bundle,
                                  bool key_from_caller) {
  return plan_of(options, bundle, key_from_caller, guest::stub::boot_stub());
}

Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, bool key_from_caller,
                                  ByteView stub) {
  TRY(address_bit(options));  // what needs no file is judged before it is looked for
  TRY(ram_bytes(options.ram_mib));
  return plan_of(options, TRY(LoadedBundle::load(options.bundle)), key_from_caller, stub);
}

Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, bool key_from_caller) {
  return make_plan(options, key_from_caller, guest::stub::boot_stub());
}

}  // namespace bartizan::plan::measure
