// What the tests of launches share: plans, machines on the fake kernel, golden transcripts.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"
#include "fakes/golden.hpp"
#include "fakes/tee_kernel.hpp"
#include "plan/boot/bzimage.hpp"
#include "plan/boot/layout.hpp"
#include "plan/bundle/bundle_json.hpp"
#include "plan/measure/launch_planner.hpp"
#include "vmm/vcpu/first_end.hpp"
#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan::launches {

using fakes::TeeKernel;
using plan::tee::PageKind;
using vmm::vcpu::VirtualMachine;

constexpr uint8_t kHostCBit = 51;  // of fakes::TeeHost

inline plan::tee::PlanItem item(uint64_t address, PageKind kind, const char* what, uint64_t pages,
                                Bytes bytes = {}) {
  auto content = bytes.empty() ? nullptr : std::make_shared<const Bytes>(std::move(bytes));
  return {{address}, kind, what, pages * kPageSize, std::move(content)};
}

// The state after reset, as plans describe waiting processors.
inline plan::tee::CpuState parked() {
  plan::tee::CpuState cpu;
  cpu.rip = 0xfff0;
  cpu.cr0 = 0x60000010;
  cpu.cs = {0xf000, 0x9b, 0xffff, 0xffff0000};
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = {0, 0x93, 0xffff, 0};
  cpu.ldtr = {0, 0x82, 0xffff, 0};
  cpu.tr = {0, 0x8b, 0xffff, 0};
  cpu.gdtr = cpu.idtr = {0, 0, 0xffff, 0};
  return cpu;
}

// Every kind of page; code longer than it has bytes; long mode with the C-bit in CR3.
inline plan::tee::LaunchPlan plan(Tee tee, size_t vcpus = 2, uint64_t ram = 16 * kMiB) {
  plan::tee::LaunchPlan plan;
  plan.tee = tee;
  plan.guest_policy = tee == Tee::snp ? kDefaultSnpPolicy : 0;
  if (tee == Tee::sev) plan.guest_policy = 1;
  if (tee == Tee::sev_es) plan.guest_policy = 5;
  plan.c_bit = tee == Tee::tdx ? 0 : kHostCBit;
  plan.ram = plan::boot::ram_regions(ram, guest_abi::StubPlatform::none);
  plan.items = {item(0x1000, PageKind::normal, "code", 5, Bytes(3 * 4096 + 7, 0xf4)),
                item(0x8000, PageKind::zero, "page tables", 3),
                item(0x10000, PageKind::unmeasured, "note", 1, Bytes{1, 2, 3}),
                item(0x11000, PageKind::secrets, "secrets", 1),
                item(0x12000, PageKind::cpuid, "cpuid", 1),
                item(0x100000, PageKind::normal, "kernel", 300, Bytes(300 * 4096, 0x90))};
  plan::tee::CpuState& boot =
      (plan.cpus = std::vector<plan::tee::CpuState>(vcpus, parked())).front();
  boot.rip = 0x1000;
  boot.rsi = 0x7000;
  boot.cs = {0x10, 0xa9b, 0xffffffff, 0};
  boot.ds = boot.es = boot.fs = boot.gs = boot.ss = {0x18, 0xc93, 0xffffffff, 0};
  boot.cr0 = 0x80050033;
  boot.cr3 = 0x8000 | (plan.c_bit == 0 ? 0 : 1ull << plan.c_bit);
  boot.cr4 = 0x20;
  boot.efer = 0x500;
  return plan;
}

// What `bundle create` leaves, of any kernel and initrd.
inline void write_bundle(const std::filesystem::path& folder, const Bytes& kernel,
                         const Bytes& initrd) {
  BundleInfo info;
  info.kernel_release = plan::boot::parse_bzimage(kernel).value().release;
  info.kernel_sha256 = to_hex(crypto::sha256(kernel));
  info.initrd_sha256 = to_hex(crypto::sha256(initrd));
  info.command_line = "quiet panic=-1";
  info.tees = {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx};
  write_file(folder / "kernel", kernel).value();
  write_file(folder / "initrd", initrd).value();
  auto json = plan::bundle::bundle_json(info).value();
  write_file(folder / "bundle.json", as_bytes(json)).value();
}

inline vmm::launch::LaunchIdentity binding() {
  vmm::launch::LaunchIdentity binding;
  for (size_t i = 0; i < binding.workload_digest.size(); ++i) {
    binding.workload_digest[i] = static_cast<uint8_t>(i + 1);
  }
  return binding;
}

inline Result<std::unique_ptr<VirtualMachine>> create(
    std::shared_ptr<TeeKernel> kernel, const plan::tee::LaunchPlan& plan,
    vmm::launch::LaunchIdentity bound = binding()) {
  return VirtualMachine::create(std::move(kernel), "/dev/kvm", plan, std::move(bound));
}

inline fakes::GuestStep power_off() {
  return fakes::guest::exit([](kvm_run& run) {
    run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
    run.system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
    return 0;
  });
}

// Runs until the first vCPU ends; how it ended.
inline vmm::vcpu::End run(VirtualMachine& machine) {
  vmm::vcpu::FirstEnd first;
  auto started = machine.run([&](uint32_t, const vmm::vcpu::End& end) { first.set(end); });
  EXPECT_TRUE(started.ok());
  auto end = first.wait(std::chrono::minutes(4));  // ends before the test program's own limit
  machine.stop();
  machine.join();
  return end.value();
}

inline std::vector<uint8_t> expected_digest(const plan::tee::LaunchPlan& plan) {
  auto measured = plan::measure::measure_plan(plan);
  return measured.ok() ? measured->digest : std::vector<uint8_t>();
}

// A machine on a fake kernel, launched or refused: what the fixtures of all TEEs are made of.
class Launches {
 protected:
  VirtualMachine& launch(const plan::tee::LaunchPlan& plan,
                         vmm::launch::LaunchIdentity bound = binding()) {
    auto made = create(kernel, plan, std::move(bound));
    if (!made.ok()) ADD_FAILURE() << made.error().describe();
    machine = std::move(*made);
    return *machine;
  }
  std::string failure(const plan::tee::LaunchPlan& plan,
                      vmm::launch::LaunchIdentity bound = binding()) {
    auto made = create(kernel, plan, std::move(bound));
    return made.ok() ? "no failure" : made.error().describe();
  }
  const fakes::LaunchRecord& record() { return kernel->last_vm().record(); }

  std::shared_ptr<TeeKernel> kernel = std::make_shared<TeeKernel>();
  std::unique_ptr<VirtualMachine> machine;
};

// How often a call was made.
inline size_t calls_of(const TeeKernel& kernel, const std::string& name) {
  std::istringstream lines(kernel.transcript());
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.find(name) != std::string::npos;
  return count;
}

}  // namespace bartizan::launches
