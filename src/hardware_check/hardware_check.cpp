#include "hardware_check/hardware_check.hpp"

#include <sys/utsname.h>

#include <atomic>

#include "base/bytes.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "guest_abi/stub_table.hpp"
#include "plan/boot/page_tables.hpp"
#include "plan/measure/launch_planner.hpp"
#include "plan/tee/snp/id_block.hpp"
#include "vmm/vcpu/first_end.hpp"
#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan::hardware_check {
namespace {

using Clock = std::chrono::steady_clock;
using plan::tee::PageKind;

constexpr uint64_t kRam = 2 * kMiB;
constexpr uint64_t kCode = 0x1000, kGdt = 0x2000, kSecrets = 0x3000, kCpuid = 0x4000,
                   kTables = 0x10000;
constexpr uint16_t kDonePort = 0x0b04;
constexpr uint32_t kDoneValue = 0x2a;

// Without encrypted registers: a value to a port, then a triple fault (no IDT).
//   66 ba 04 0b            mov  $0x0b04, %dx
//   b8 2a 00 00 00         mov  $42, %eax
//   ef                     out  %eax, %dx
//   0f 0b                  ud2
const Bytes kPortProgram = {0x66, 0xba, 0x04, 0x0b, 0xb8, 0x2a, 0x00, 0x00, 0x00, 0xef, 0x0f, 0x0b};

// With encrypted registers: the GHCB MSR protocol's termination request, reason set 7, code 0x2a.
//   b9 30 01 01 c0         mov  $0xc0010130, %ecx
//   b8 00 71 2a 00         mov  $0x2a7100, %eax
//   31 d2                  xor  %edx, %edx
//   0f 30                  wrmsr
//   f3 0f 01 d9            rep vmmcall
//   0f 0b                  ud2
const Bytes kGhcbProgram = {0xb9, 0x30, 0x01, 0x01, 0xc0, 0xb8, 0x00, 0x71, 0x2a, 0x00,
                            0x31, 0xd2, 0x0f, 0x30, 0xf3, 0x0f, 0x01, 0xd9, 0x0f, 0x0b};
constexpr const char* kGhcbEnd = "SEV guest ended itself: reason set 7, code 0x2a";

plan::tee::PlanItem item(uint64_t at, PageKind kind, const char* what, uint64_t size,
                         Bytes bytes = {}) {
  auto content = bytes.empty() ? nullptr : std::make_shared<const Bytes>(std::move(bytes));
  return {{at}, kind, what, size, std::move(content)};
}

plan::tee::CpuState long_mode(uint8_t c_bit) {
  plan::tee::CpuState cpu;
  cpu.rip = kCode;
  cpu.cr0 = 0x80050033;
  cpu.cr3 = kTables | 1ull << c_bit;
  cpu.cr4 = 0x20;
  cpu.efer = 0x500;
  cpu.cs = {0x10, 0xa9b, 0xffffffff, 0};
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = {0x18, 0xc93, 0xffffffff, 0};
  cpu.tr = {0, 0x8b, 0xffff, 0};
  cpu.ldtr = {0, 0x82, 0xffff, 0};
  cpu.gdtr = {0, 0, 4 * 8 - 1, kGdt};
  return cpu;
}

// UD2 at the reset vector: a triple fault, which ends the TD.
plan::tee::LaunchPlan tdx_plan() {
  Bytes page(guest_abi::kTdxResetVector - guest_abi::kTdxResetPage);
  page.insert(page.end(), {0x0f, 0x0b});
  plan::tee::LaunchPlan plan;
  plan.tee = Tee::tdx;
  plan.ram = {{{0}, kRam}, {{guest_abi::kTdxResetPage}, kPageSize}};
  plan.items = {item(guest_abi::kTdxResetPage, PageKind::normal, "reset vector", kPageSize, page)};
  plan.cpus.resize(1);
  return plan;
}

// Did the guest write the value?
class DoneValuePort final : public vmm::devices::BusDevice {
 public:
  uint64_t read(uint64_t, uint32_t) override { return ~0ull; }
  void write(uint64_t, uint32_t, uint64_t value) override {
    if (value == kDoneValue) wrote_ = true;
  }
  bool wrote() const { return wrote_; }

 private:
  std::atomic<bool> wrote_ = false;
};

// An ID block that demands our own digest, under a key that is thrown away.
Result<vmm::launch::LaunchIdentity> binding_for(const plan::tee::LaunchPlan& plan,
                                                const Bytes& digest) {
  vmm::launch::LaunchIdentity binding;
  if (plan.tee != Tee::snp) return binding;
  plan::tee::snp::IdBlockFields fields;
  std::copy_n(digest.begin(), fields.launch_digest.size(), fields.launch_digest.begin());
  fields.policy = plan.guest_policy;
  auto block = plan::tee::snp::id_block(fields);
  auto key = TRY(crypto::EcKey::generate(crypto::Curve::p384));
  binding.id_auth = TRY(plan::tee::snp::id_auth(block, key, std::nullopt));
  binding.id_block.assign(block.begin(), block.end());
  return binding;
}

bool guest_ran(Tee tee, const vmm::vcpu::End& end, const DoneValuePort& port) {
  if (tee == Tee::sev) return port.wrote();
  if (tee == Tee::tdx) return end.kind == vmm::vcpu::End::Kind::triple_fault;
  return end.detail == kGhcbEnd;
}

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Result<void> run_guest(const HardwareCheckOptions& options, vmm::vcpu::VirtualMachine& machine,
                       Tee tee, Json& report) {
  auto port = std::make_shared<DoneValuePort>();
  auto first = std::make_shared<vmm::vcpu::FirstEnd>();
  TRY(machine.pio().add(kDonePort, 4, port));
  auto start = Clock::now();
  TRY(machine.run([first](uint32_t, const vmm::vcpu::End& end) { first->set(end); }));
  auto end = first->wait(options.guest_limit);
  report["run_ms"] = since(start);
  machine.stop();
  machine.join();
  if (!end) return make_error(ErrorCode::timed_out, "hardware-check", "the guest did not end");
  report["guest_ended"] = end->detail;
  report["guest_ran"] = guest_ran(tee, *end, *port);
  return {};
}

Result<void> launch(const HardwareCheckOptions& options, Tee tee, Json& report) {
  auto plan = hardware_check_plan(
      tee, vmm::host::host_c_bit(options.host).value_or(plan::tee::kDefaultCBit));
  auto measured = TRY(plan::measure::measure_plan(plan));
  report["digest"] = to_hex(measured.digest);
  auto binding = TRY(binding_for(plan, measured.digest));
  auto start = Clock::now();
  auto machine = TRY(vmm::vcpu::VirtualMachine::create(options.host.kernel, options.host.kvm_device,
                                                       plan, std::move(binding)));
  report["launch_ms"] = since(start);
  report["digest_confirmed"] = tee == Tee::snp;
  report["remarks"] = machine->remarks();
  return run_guest(options, *machine, tee, report);
}

Json attest(const HardwareCheckOptions& options, Tee tee) {
  auto report = options.stock_guest(tee);
  if (report.ok()) return *std::move(report);
  return {{"ok", false}, {"error", report.error().describe()}};
}

Json check_tee(const HardwareCheckOptions& options, Tee tee) {
  TeeProbe probe = vmm::host::probe_hardware_tee(tee, options.host);
  Json report = {{"tee", to_string(tee)},      {"available", probe.available},
                 {"missing", probe.missing},   {"advice", probe.advice},
                 {"capacity", probe.capacity}, {"in_use", probe.in_use}};
  if (!probe.available) return report;
  Json run = {{"digest_confirmed", false}, {"guest_ran", false}};
  auto done = launch(options, tee, run);
  run["ok"] = done.ok() && run["guest_ran"].get<bool>();
  if (!done.ok()) run["error"] = done.error().describe();
  bool launched = run["ok"].get<bool>();
  report["launch"] = std::move(run);
  if (launched && options.stock_guest) report["attestation"] = attest(options, tee);
  return report;
}

}  // namespace

plan::tee::LaunchPlan hardware_check_plan(Tee tee, uint8_t c_bit) {
  if (tee == Tee::tdx) return tdx_plan();
  plan::tee::LaunchPlan plan;
  plan.tee = tee;
  plan.guest_policy = plan::measure::default_guest_policy(tee);
  plan.c_bit = c_bit;
  plan.ram = {{{0}, kRam}};
  plan.items = {item(kCode, PageKind::normal, "code", kPageSize,
                     tee == Tee::sev ? kPortProgram : kGhcbProgram),
                item(kGdt, PageKind::normal, "gdt", kPageSize, plan::boot::boot_gdt()),
                item(kSecrets, PageKind::secrets, "secrets", kPageSize),
                item(kCpuid, PageKind::cpuid, "cpuid", kPageSize),
                item(kTables, PageKind::normal, "page_tables", plan::boot::kPageTablesBytes,
                     plan::boot::identity_page_tables(
                         kTables, {plan::boot::AddressBit::Means::private_, c_bit}))};
  plan.cpus = {long_mode(c_bit)};
  return plan;
}

Json hardware_check(const HardwareCheckOptions& options) {
  Json report = {{"version", 1}};
  utsname system{};
  if (::uname(&system) == 0) report["kernel"] = system.release;
  for (Tee tee : {Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    report["tees"].push_back(check_tee(options, tee));
  }
  report["stock_guest"] = static_cast<bool>(options.stock_guest);
  if (!options.stock_guest) return report;
  for (Tee tee : {Tee::none, Tee::simulated}) {
    report["baseline"][std::string(to_string(tee))] = attest(options, tee);
  }
  return report;
}

int hardware_check_status(const Json& report) {
  bool offered = false, failed = false;
  for (const Json& tee : report["tees"]) {
    for (const char* part : {"launch", "attestation"}) {
      if (!tee.contains(part) || tee[part].contains("not_tried")) continue;
      offered = true;
      failed = failed || !tee[part]["ok"].get<bool>();
    }
  }
  return failed ? 1 : offered ? 0 : 3;
}

}  // namespace bartizan::hardware_check
