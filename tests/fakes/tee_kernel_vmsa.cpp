// The VMSA: struct sev_es_save_area as KVM fills it at UPDATE_VMSA and SNP_LAUNCH_FINISH. Offsets:
// AMD APM volume 2, table "VMSA layout"; what KVM forces: svm.c (init_vmcb, svm_set_cr0,
// svm_set_cr4, svm_set_efer, svm_set_segment) and sev.c (sev_es_sync_vmsa).
#include <algorithm>
#include <cstring>

#include "fakes/tee_kernel_digest.hpp"

namespace bartizan::fakes {
namespace {

// CD, NW: cleared by a quirk that is on by default
constexpr uint64_t kCr0CacheBits = 1ull << 30 | 1ull << 29;
constexpr uint64_t kCr4MachineCheck = 1 << 6;
constexpr uint64_t kEferSvme = 1 << 12;
constexpr uint64_t kRflagsFixed = 2;

struct Writer {
  Page& page;
  template <typename T>
  void put(size_t at, T value) {
    std::memcpy(page.data() + at, &value, sizeof value);
  }
  void segment(size_t at, uint16_t selector, uint16_t attributes, uint32_t limit, uint64_t base) {
    put(at, selector);
    put(at + 2, attributes);
    put(at + 4, limit);
    put(at + 8, base);
  }
};

uint16_t attributes(const kvm_segment& segment) {
  unsigned present = segment.present & ~segment.unusable & 1;
  return static_cast<uint16_t>((segment.type & 15) | (segment.s & 1) << 4 | (segment.dpl & 3) << 5 |
                               present << 7 | (segment.avl & 1) << 8 | (segment.l & 1) << 9 |
                               (segment.db & 1) << 10 | (segment.g & 1) << 11);
}

// Reading a reset vCPU's registers sets the accessed bit of data segments and the busy bit of the
// task register; until they are written back, the VMSA has them clear.
uint16_t reset_attributes(size_t at) {
  if (at == 0x10) return 0x9a;
  if (at == 0x70) return 0x82;
  return at == 0x90 ? 0x83 : 0x92;
}

void put_segments(Writer& out, const kvm_sregs& sregs, bool set) {
  const std::pair<size_t, const kvm_segment*> segments[] = {
      {0x00, &sregs.es}, {0x10, &sregs.cs}, {0x20, &sregs.ss},  {0x30, &sregs.ds},
      {0x40, &sregs.fs}, {0x50, &sregs.gs}, {0x70, &sregs.ldt}, {0x90, &sregs.tr}};
  for (auto [at, segment] : segments) {
    out.segment(at, segment->selector, set ? attributes(*segment) : reset_attributes(at),
                segment->limit, segment->base);
  }
  out.segment(0x60, 0, 0, sregs.gdt.limit, sregs.gdt.base);
  out.segment(0x80, 0, 0, sregs.idt.limit, sregs.idt.base);
  out.put<uint8_t>(0xcb, sregs.ss.dpl & 3);  // CPL
}

void put_msrs(Writer& out, const std::map<uint32_t, uint64_t>& msrs) {
  constexpr std::pair<uint32_t, size_t> kPlaces[] = {
      {0xda0, 0x140},      {0xc0000081, 0x200}, {0xc0000082, 0x208}, {0xc0000083, 0x210},
      {0xc0000084, 0x218}, {0xc0000102, 0x220}, {0x174, 0x228},      {0x175, 0x230},
      {0x176, 0x238},      {0x277, 0x268}};
  out.put<uint64_t>(0x268, 0x0007040600070406);  // PAT
  for (auto [index, at] : kPlaces) {
    if (auto found = msrs.find(index); found != msrs.end()) out.put(at, found->second);
  }
}

void put_general(Writer& out, const kvm_regs& regs) {
  out.put<uint64_t>(0x170, regs.rflags | kRflagsFixed);
  out.put<uint64_t>(0x178, regs.rip);
  const uint64_t low[] = {regs.rcx, regs.rdx, regs.rbx};
  const uint64_t high[] = {regs.rbp, regs.rsi, regs.rdi, regs.r8,  regs.r9, regs.r10,
                           regs.r11, regs.r12, regs.r13, regs.r14, regs.r15};
  out.put<uint64_t>(0x1d8, regs.rsp);
  out.put<uint64_t>(0x1f8, regs.rax);
  for (size_t i = 0; i < std::size(low); ++i) out.put(0x308 + 8 * i, low[i]);
  for (size_t i = 0; i < std::size(high); ++i) out.put(0x328 + 8 * i, high[i]);
}

void put_fpu(Writer& out, const kvm_fpu& fpu) {
  out.put<uint64_t>(0x400, fpu.last_dp);
  out.put<uint32_t>(0x408, fpu.mxcsr);
  out.put<uint16_t>(0x40c, fpu.ftwx);
  out.put<uint16_t>(0x40e, fpu.fsw);
  out.put<uint16_t>(0x410, fpu.fcw);
  out.put<uint16_t>(0x412, fpu.last_opcode);
  out.put<uint64_t>(0x418, fpu.last_ip);
  for (size_t i = 0; i < 8; ++i) std::memcpy(out.page.data() + 0x420 + 10 * i, fpu.fpr[i], 10);
  std::memcpy(out.page.data() + 0x470, fpu.xmm, sizeof fpu.xmm);
}

kvm_segment reset_segment(uint8_t type, uint8_t s) {
  kvm_segment made{};
  made.limit = 0xffff;
  made.type = type;
  made.s = s;
  made.present = 1;
  return made;
}

}  // namespace

VcpuRegisters reset_registers() {
  VcpuRegisters reset;
  reset.regs.rip = 0xfff0;
  reset.regs.rflags = kRflagsFixed;
  reset.regs.rdx = 0x600;
  kvm_sregs& sregs = reset.sregs;
  sregs.cs = reset_segment(0xa, 1);
  sregs.cs.selector = 0xf000;
  sregs.cs.base = 0xffff0000;
  sregs.ds = sregs.es = sregs.fs = sregs.gs = reset_segment(3, 1);
  sregs.ss = reset_segment(2, 1);
  sregs.ldt = reset_segment(2, 0);
  sregs.tr = reset_segment(3, 0);
  sregs.gdt.limit = sregs.idt.limit = 0xffff;
  sregs.cr0 = 0x60000010;
  sregs.apic_base = 0xfee00900;
  reset.fpu.fcw = 0x37f;
  reset.fpu.mxcsr = 0x1f80;
  return reset;
}

Page make_vmsa(const VcpuRegisters& from, const VmsaRules& rules, bool sregs_set) {
  Page page{};
  Writer out{page};
  put_segments(out, from.sregs, sregs_set);
  out.put<uint64_t>(0xd0, from.sregs.efer | kEferSvme);
  put_msrs(out, from.msrs);
  out.put<uint64_t>(0x148, from.sregs.cr4 | (rules.machine_check ? kCr4MachineCheck : 0));
  out.put<uint64_t>(0x150, from.sregs.cr3);
  out.put<uint64_t>(0x158, from.sregs.cr0 & ~kCr0CacheBits);
  out.put<uint64_t>(0x160, from.dr7);
  out.put<uint64_t>(0x168, 0xffff0ff0);
  put_general(out, from.regs);
  out.put<uint64_t>(0x3b0, rules.sev_features);
  out.put<uint64_t>(0x3e8, from.xcr0);
  if (rules.copies_fpu) put_fpu(out, from.fpu);
  return page;
}

}  // namespace bartizan::fakes
