#include "base/errors.hpp"
#include "vmm/vcpu/setup.hpp"

namespace bartizan::vmm::vcpu {
namespace {

// MTRRs on, default type write-back: without it Linux 6.1 has no write-protected PAT entry and its
// SEV code stops.
constexpr uint32_t kMtrrDefType = 0x2ff;
constexpr uint64_t kMtrrEnabledWriteBack = 0x806;

constexpr uint16_t kInitialFcw = 0x37f;     // Intel SDM volume 1, 8.1.5: FNINIT
constexpr uint32_t kInitialMxcsr = 0x1f80;  // 10.2.3

kvm_segment segment(const plan::tee::Segment& from) {
  kvm_segment to{};
  to.base = from.base;
  to.limit = from.limit;
  to.selector = from.selector;
  to.type = from.attributes & 0xf;
  to.s = from.attributes >> 4 & 1;
  to.dpl = from.attributes >> 5 & 3;
  to.present = from.attributes >> 7 & 1;
  to.avl = from.attributes >> 8 & 1;
  to.l = from.attributes >> 9 & 1;
  to.db = from.attributes >> 10 & 1;
  to.g = from.attributes >> 11 & 1;
  to.unusable = to.present ? 0 : 1;
  return to;
}

kvm_dtable table(const plan::tee::Segment& from) {
  kvm_dtable to{};
  to.base = from.base;
  to.limit = static_cast<uint16_t>(from.limit);
  return to;
}

kvm_sregs with_state(kvm_sregs sregs, const plan::tee::CpuState& state) {
  sregs.cs = segment(state.cs);
  sregs.ds = segment(state.ds);
  sregs.es = segment(state.es);
  sregs.fs = segment(state.fs);
  sregs.gs = segment(state.gs);
  sregs.ss = segment(state.ss);
  sregs.ldt = segment(state.ldtr);
  sregs.tr = segment(state.tr);
  sregs.gdt = table(state.gdtr);
  sregs.idt = table(state.idtr);
  sregs.cr0 = state.cr0;
  sregs.cr3 = state.cr3;
  sregs.cr4 = state.cr4;
  sregs.efer = state.efer;
  return sregs;
}

}  // namespace

Result<void> set_msrs(kvm::Vcpu& vcpu) {
  return vcpu.set_msr(kMtrrDefType, kMtrrEnabledWriteBack);
}

Result<void> set_registers(kvm::Vcpu& vcpu, const plan::tee::CpuState& state) {
  TRY(vcpu.set_sregs(with_state(TRY(vcpu.sregs()), state)));
  kvm_regs regs{};
  regs.rip = state.rip;
  regs.rsp = state.rsp;
  regs.rbp = state.rbp;
  regs.rsi = state.rsi;
  regs.rdx = state.rdx;
  regs.rflags = state.rflags;
  TRY(vcpu.set_regs(regs));
  kvm_fpu fpu{};
  fpu.fcw = kInitialFcw;
  fpu.mxcsr = kInitialMxcsr;
  return vcpu.set_fpu(fpu);
}

}  // namespace bartizan::vmm::vcpu
