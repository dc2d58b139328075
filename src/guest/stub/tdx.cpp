#include "guest/stub/tdx.hpp"

#include "guest/stub/platform.hpp"
#include "guest_abi/stub_table.hpp"

namespace bartizan::guest::stub {
namespace {

// TDG.VP.VMCALL, TDG.VP.INFO, TDG.MR.RTMR.EXTEND, TDG.MEM.PAGE.ACCEPT.
constexpr uint64_t kVmcall = 0, kInfo = 1, kExtend = 2, kAccept = 6;
constexpr uint64_t kReportFatalError = 0x10003;  // GHCI, TDG.VP.VMCALL<ReportFatalError>
constexpr uint64_t kPassR10ToR13 = 0x3c00;

uint32_t call_until_not_busy(uint64_t leaf, uint64_t rcx, uint64_t rdx) {
  uint32_t status = kTdxOperandBusy;
  for (int i = 0; i < kTdxMaxBusy && status == kTdxOperandBusy; i++) {
    platform::Tdcall registers{.rax = leaf, .rcx = rcx, .rdx = rdx};
    platform::tdcall(&registers);
    status = static_cast<uint32_t>(registers.rax >> 32);
  }
  return status;
}

}  // namespace

uint32_t tdx_address_bits() {
  platform::Tdcall registers{.rax = kInfo};
  platform::tdcall(&registers);
  return registers.rax == 0 ? registers.rcx & 0x3f : 0;
}

uint32_t tdx_accept(uint64_t address, bool large) {
  return call_until_not_busy(kAccept, address | static_cast<uint64_t>(large), 0);
}

uint32_t tdx_extend(uint64_t buffer, uint32_t rtmr) {
  return call_until_not_busy(kExtend, buffer, rtmr);
}

void tdx_fatal_error(uint32_t reason) {
  for (;;) {
    platform::Tdcall registers{.rax = kVmcall,
                               .rcx = kPassR10ToR13,
                               .r11 = kReportFatalError,
                               .r12 = guest_abi::kStubTdxError | reason};
    platform::tdcall(&registers);
  }
}

}  // namespace bartizan::guest::stub
