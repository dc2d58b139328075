#include "plan/tee/snp/vmsa.hpp"

#include "base/units.hpp"

namespace bartizan::plan::tee::snp {
namespace {

// Offsets in the save area (APM volume 2, table B-4; struct sev_es_save_area).
constexpr size_t kEs = 0x00, kCs = 0x10, kSs = 0x20, kDs = 0x30, kFs = 0x40, kGs = 0x50,
                 kGdtr = 0x60, kLdtr = 0x70, kIdtr = 0x80, kTr = 0x90, kCpl = 0xcb, kEfer = 0xd0,
                 kCr4 = 0x148, kCr3 = 0x150, kCr0 = 0x158, kDr7 = 0x160, kDr6 = 0x168,
                 kRflags = 0x170, kRip = 0x178, kRsp = 0x1d8, kGPat = 0x268, kRdx = 0x310,
                 kRbp = 0x328, kRsi = 0x330, kSevFeatures = 0x3b0, kXcr0 = 0x3e8, kMxcsr = 0x408,
                 kFcw = 0x410;

// What KVM puts there whatever the VMM sets (svm.c: init_vmcb, svm_set_efer, svm_set_cr0,
// svm_set_cr4).
constexpr uint64_t kEferSvme = 1 << 12;
constexpr uint64_t kCr4MachineCheck = 1 << 6;
constexpr uint64_t kCr0CacheBits = 3ull << 29;  // NW, CD
constexpr uint64_t kResetDr7 = 0x400, kResetDr6 = 0xffff0ff0;
// Since 6.10 the FPU state is also copied (sev_es_sync_vmsa): its reset values.
constexpr uint32_t kResetMxcsr = 0x1f80;
constexpr uint16_t kResetFcw = 0x37f;

void set_segment(Bytes* page, size_t offset, const Segment& segment) {
  uint8_t* to = page->data() + offset;
  store_le(to, segment.selector);
  store_le(to + 2, segment.attributes);
  store_le(to + 4, segment.limit);
  store_le(to + 8, segment.base);
}

void set(Bytes* page, size_t offset, uint64_t value) {
  store_le(page->data() + offset, value);
}

void set_segments(Bytes* page, const CpuState& cpu) {
  const std::pair<size_t, const Segment*> segments[] = {
      {kEs, &cpu.es}, {kCs, &cpu.cs},     {kSs, &cpu.ss},     {kDs, &cpu.ds},     {kFs, &cpu.fs},
      {kGs, &cpu.gs}, {kGdtr, &cpu.gdtr}, {kLdtr, &cpu.ldtr}, {kIdtr, &cpu.idtr}, {kTr, &cpu.tr}};
  for (auto [offset, segment] : segments) set_segment(page, offset, *segment);
}

void set_fpu(Bytes* page) {
  store_le(page->data() + kMxcsr, kResetMxcsr);
  store_le(page->data() + kFcw, kResetFcw);
}

}  // namespace

Bytes vmsa_page(const CpuState& cpu, const VmsaOptions& options) {
  Bytes page(kPageSize);
  set_segments(&page, cpu);
  page[kCpl] = static_cast<uint8_t>(cpu.ss.attributes >> 5 & 3);
  set(&page, kEfer, cpu.efer | kEferSvme);
  set(&page, kCr4, cpu.cr4 | kCr4MachineCheck);
  set(&page, kCr3, cpu.cr3);
  set(&page, kCr0, cpu.cr0 & ~kCr0CacheBits);
  set(&page, kDr7, kResetDr7);
  set(&page, kDr6, kResetDr6);
  set(&page, kRflags, cpu.rflags);
  set(&page, kRip, cpu.rip);
  set(&page, kRsp, cpu.rsp);
  set(&page, kGPat, options.pat);
  set(&page, kRdx, cpu.rdx);
  set(&page, kRbp, cpu.rbp);
  set(&page, kRsi, cpu.rsi);
  set(&page, kSevFeatures, options.sev_features);
  set(&page, kXcr0, 1);
  if (options.host_kernel == HostKernel::since_6_10) set_fpu(&page);
  return page;
}

Bytes vmsa_page(const CpuState& cpu, uint64_t sev_features) {
  return vmsa_page(cpu, VmsaOptions{.sev_features = sev_features});
}

}  // namespace bartizan::plan::tee::snp
