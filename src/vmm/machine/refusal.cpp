#include "vmm/machine/refusal.hpp"

#include <fmt/format.h>

#include "guest_abi/stub_table.hpp"

namespace bartizan::vmm::machine {
namespace {

using guest_abi::StubRefusal;

constexpr uint32_t kStageMask = 0xff, kNumberShift = 8, kNumberMask = 0xff;

const char* reason_of(StubRefusal refusal) {
  switch (refusal) {
    case StubRefusal::table:
      return "launch table is damaged";
    case StubRefusal::platform:
      return "the processor is not of the kind of TEE that was measured";
    case StubRefusal::address_bit:
      return "C-bit or shared bit is not where it was measured to be";
    case StubRefusal::validated:
      return "memory was validated before: the host may have remapped it";
    case StubRefusal::memory:
      return "memory could not be validated or accepted";
    case StubRefusal::kernel:
      return "kernel is not what was measured";
    case StubRefusal::initrd:
      return "initrd is not what was measured";
    case StubRefusal::command_line:
      return "command line is not what was measured";
    case StubRefusal::boot_params:
      return "boot parameters are not what was measured";
    case StubRefusal::acpi:
      return "ACPI tables are not what was measured";
    case StubRefusal::rtmr:
      return "a runtime measurement register could not be extended";
    case StubRefusal::ap_jump_table:
      return "the host did not take the AP jump table";
    case StubRefusal::launch_secret:
      return "the launch secret is not in its place: something else of its page was written";
  }
  return nullptr;
}

}  // namespace

std::optional<uint32_t> refusal_of_report(uint32_t value) {
  uint32_t number = value >> kNumberShift & kNumberMask;
  if ((value & kStageMask) != 0 || number == 0) return std::nullopt;
  return number;
}

std::optional<uint32_t> refusal_of_end(const vcpu::End& end) {
  if (end.sev_reason && *end.sev_reason >> 8 == guest_abi::kStubReasonSet) {
    return static_cast<uint32_t>(*end.sev_reason & 0xff);
  }
  if (end.tdx_error && (*end.tdx_error & ~0xffull) == guest_abi::kStubTdxError) {
    return static_cast<uint32_t>(*end.tdx_error & 0xff);
  }
  return std::nullopt;
}

std::string refusal_text(uint32_t number) {
  const char* reason = reason_of(static_cast<StubRefusal>(number));
  if (reason == nullptr) return fmt::format("boot stub: refusal {}", number);
  return fmt::format("boot stub: {}", reason);
}

}  // namespace bartizan::vmm::machine
