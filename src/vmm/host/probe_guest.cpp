#include "vmm/host/probe_guest.hpp"

#include "base/errors.hpp"
#include "plan/boot/page_tables.hpp"
#include "vmm/vcpu/first_end.hpp"
#include "vmm/vcpu/virtual_machine.hpp"

namespace bartizan::vmm::host {
namespace {

constexpr uint64_t kRam = 1024 * 1024;
constexpr uint64_t kCode = 0x1000, kGdt = 0x2000, kTables = 0x9000, kStack = 0x8000;
constexpr uint16_t kDonePort = 0x0b04;

// Ten million turns: 10 ms on a processor, some seconds where each instruction is emulated (about 1
// µs each at best).
//   48 c7 c1 80 96 98 00   mov  $10000000, %rcx
//   48 ff c9               dec  %rcx            (1)
//   75 fb                  jnz  (1)
//   66 ba 04 0b            mov  $0x0b04, %dx
//   b8 2a 00 00 00         mov  $42, %eax
//   ef                     out  %eax, %dx
//   f4                     hlt
const Bytes kProgram = {0x48, 0xc7, 0xc1, 0x80, 0x96, 0x98, 0x00, 0x48, 0xff, 0xc9, 0x75, 0xfb,
                        0x66, 0xba, 0x04, 0x0b, 0xb8, 0x2a, 0x00, 0x00, 0x00, 0xef, 0xf4};

plan::tee::Segment code_segment() {
  return {0x10, 0xa9b, 0xfffff, 0};
}
plan::tee::Segment data_segment() {
  return {0x18, 0xc93, 0xfffff, 0};
}

plan::tee::CpuState long_mode() {
  plan::tee::CpuState cpu;
  cpu.rip = kCode;
  cpu.rsp = kStack;
  cpu.cr0 = 0x80000011;  // paging, protection
  cpu.cr3 = kTables;
  cpu.cr4 = 0x20;    // PAE
  cpu.efer = 0x500;  // long mode enabled and active
  cpu.cs = code_segment();
  cpu.ds = cpu.es = cpu.fs = cpu.gs = cpu.ss = data_segment();
  cpu.tr = {0, 0x8b, 0xffff, 0};
  cpu.ldtr = {0, 0x82, 0xffff, 0};
  cpu.gdtr = {0, 0, 4 * 8 - 1, kGdt};
  return cpu;
}

plan::tee::LaunchPlan probe_plan() {
  auto item = [](uint64_t at, uint64_t size, const char* what, Bytes bytes) {
    return plan::tee::PlanItem{{at},
                               plan::tee::PageKind::normal,
                               what,
                               size,
                               std::make_shared<const Bytes>(std::move(bytes))};
  };
  plan::tee::LaunchPlan plan;
  plan.ram = {{{0}, kRam}};
  plan.items = {item(kCode, 4096, "code", kProgram),
                item(kGdt, 4096, "gdt", plan::boot::boot_gdt()),
                item(kTables, plan::boot::kPageTablesBytes, "page_tables",
                     plan::boot::identity_page_tables(kTables))};
  plan.cpus = {long_mode()};
  return plan;
}

// A write to it ends the guest.
class DonePort final : public devices::BusDevice {
 public:
  explicit DonePort(std::shared_ptr<vcpu::FirstEnd> end) : end_(std::move(end)) {}
  uint64_t read(uint64_t, uint32_t) override { return ~0ull; }
  void write(uint64_t, uint32_t, uint64_t) override { end_->set(vcpu::End{}); }

 private:
  std::shared_ptr<vcpu::FirstEnd> end_;
};

}  // namespace

Result<void> run_probe_guest(std::shared_ptr<kvm::KernelApi> kernel,
                             const std::filesystem::path& kvm_device,
                             std::chrono::milliseconds limit) {
  auto first = std::make_shared<vcpu::FirstEnd>();
  auto vm = TRY(vcpu::VirtualMachine::create(std::move(kernel), kvm_device, probe_plan()));
  TRY(vm->pio().add(kDonePort, 4, std::make_shared<DonePort>(first)));
  TRY(vm->run([first](uint32_t, const vcpu::End& end) { first->set(end); }));
  auto end = first->wait(limit);
  vm->stop();
  vm->join();
  if (!end) {
    return make_error(ErrorCode::timed_out, "vmm/host/probe",
                      "{}: a guest in 64-bit mode did not finish in {} ms", kvm_device.native(),
                      limit.count());
  }
  if (end->kind == vcpu::End::Kind::stopped) return {};
  return make_error(ErrorCode::unsupported, "vmm/host/probe",
                    "{}: a guest in 64-bit mode crashed: {}", kvm_device.native(), end->detail);
}

}  // namespace bartizan::vmm::host
