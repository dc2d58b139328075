#include "vmm/vcpu/dispatch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/checked.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::vcpu {
namespace {

constexpr uint64_t kMapGpaRange = 12;                                // KVM_HC_MAP_GPA_RANGE
constexpr uint64_t kMapEncrypted = 1 << 4;                           // KVM_MAP_GPA_RANGE_ENCRYPTED
constexpr uint64_t kNoSuchHypercall = static_cast<uint64_t>(-1000);  // KVM_ENOSYS

uint64_t load(const uint8_t* from, uint32_t size) {
  uint64_t value = 0;
  std::memcpy(&value, from, std::min<uint32_t>(size, 8));
  return value;
}

// A string instruction arrives as one exit with `count` items; KVM bounds them to its data page.
void handle_io(kvm_run& run, const devices::Bus& bus) {
  uint8_t* data = reinterpret_cast<uint8_t*>(&run) + run.io.data_offset;
  for (uint32_t i = 0; i < run.io.count; ++i, data += run.io.size) {
    if (run.io.direction == KVM_EXIT_IO_OUT) {
      bus.write(run.io.port, run.io.size, load(data, run.io.size));
    } else {
      uint64_t value = bus.read(run.io.port, run.io.size);
      std::memcpy(data, &value, run.io.size);
    }
  }
}

void handle_mmio(kvm_run& run, const devices::Bus& bus) {
  uint32_t size = std::min<uint32_t>(run.mmio.len, 8);
  if (run.mmio.is_write) {
    bus.write(run.mmio.phys_addr, size, load(run.mmio.data, size));
    return;
  }
  uint64_t value = bus.read(run.mmio.phys_addr, size);
  std::memcpy(run.mmio.data, &value, size);
}

// KVM takes 0, EINVAL, EAGAIN or a negative KVM error for the guest, all as plain values.
uint64_t handle_hypercall(const kvm_run& run, const Handlers& handlers) {
  if (run.hypercall.nr != kMapGpaRange || !handlers.page_state) return kNoSuchHypercall;
  uint64_t address = run.hypercall.args[0], pages = run.hypercall.args[1];
  if (address % kPageSize != 0 || pages == 0) return EINVAL;
  bool to_private = (run.hypercall.args[2] & kMapEncrypted) != 0;
  return handlers.page_state(address, pages, to_private) ? 0 : EINVAL;
}

// Fields of exits that <linux/kvm.h> of Debian 12 does not know.
template <typename T>
T& exit_data(kvm_run& run) {
  return *reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(&run) + kvm::kExitDataOffset);
}

// The guest used memory as private that is shared, or the other way round: it means to convert it.
std::optional<End> handle_memory_fault(kvm_run& run, const Handlers& handlers) {
  const auto fault = exit_data<kvm::ExitMemoryFault>(run);
  bool to_private = (fault.flags & kvm::kMemoryFaultPrivate) != 0;
  uint64_t address = align_down(fault.gpa, kPageSize),
           pages = std::max<uint64_t>(1, fault.size / kPageSize);
  if (handlers.page_state && handlers.page_state(address, pages, to_private)) return std::nullopt;
  return End{End::Kind::crash,
             fmt::format("memory fault: {} access to guest address {:#x}, which cannot be that",
                         to_private ? "private" : "shared", fault.gpa)};
}

// Reasons that Linux gives (arch/x86/include/asm/sev-common.h): set 0 is of the GHCB
// specification, set 1 Linux' own.
std::string_view linux_reason(uint64_t set, uint64_t code) {
  constexpr std::array<std::string_view, 3> kGeneral = {
      "general request", "GHCB protocol version not supported",
      "SEV-SNP or one of its features not supported"};
  constexpr std::array<std::string_view, 13> kLinux = {"GHCB could not be registered",
                                                       "page state could not be changed",
                                                       "page could not be validated",
                                                       "not at VMPL 0",
                                                       "CPUID page unusable",
                                                       "CPUID of the hypervisor differs",
                                                       "secrets page unusable",
                                                       "no SVSM",
                                                       "SVSM at VMPL 0",
                                                       "SVSM calling area unusable",
                                                       "Secure TSC unusable",
                                                       "SVSM calling area could not be remapped",
                                                       "Secure AVIC unusable"};
  if (set == 0 && code < kGeneral.size()) return kGeneral[code];
  if (set == 1 && code < kLinux.size()) return kLinux[code];
  return {};
}

// GHCB MSR protocol, termination request: 0x100 in bits 11:0, reason set and code above it.
End sev_termination(uint64_t value) {
  End end{End::Kind::crash, fmt::format("SEV guest ended itself, GHCB {:#x}", value), {}, {}};
  if ((value & 0xfff) != 0x100) return end;
  uint64_t set = value >> 12 & 0xf, code = value >> 16 & 0xff;
  end.detail = fmt::format("SEV guest ended itself: reason set {}, code {:#x}", set, code);
  if (auto name = linux_reason(set, code); !name.empty()) end.detail += fmt::format(": {}", name);
  end.sev_reason = set << 8 | code;
  return end;
}

// ReportFatalError: Linux puts up to 64 characters of text into these registers, in this order
// (numbers as in machine code; R12 is the error code). A guest's bytes: printable ones only.
End tdx_fatal_error(const kvm_run& run) {
  constexpr size_t kOrder[] = {14, 15, 3, 7, 6, 8, 9, 2}, kCode = 12;
  std::string text;
  for (size_t number : kOrder) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      auto byte = static_cast<char>(run.system_event.data[number] >> shift);
      if (byte >= ' ' && byte <= '~') text += byte;
    }
  }
  uint64_t code = run.system_event.data[kCode];
  return {
      End::Kind::crash, fmt::format("TD reported a fatal error {:#x}: {}", code, text), {}, code};
}

// KVM takes 0, ENOSPC, EAGAIN or EIO, and fails the next KVM_RUN for anything else.
void handle_certificates(kvm::ExitSnpReqCerts& request, const Handlers& handlers) {
  request.ret = EIO;
  if (handlers.certificates) handlers.certificates(request);
}

void handle_read_msr(kvm_run& run, const Handlers& handlers) {
  auto value = handlers.read_msr ? handlers.read_msr(run.msr.index) : std::nullopt;
  run.msr.error = value ? 0 : 1;
  run.msr.data = value.value_or(0);
}

void handle_write_msr(kvm_run& run, const Handlers& handlers) {
  run.msr.error = handlers.write_msr && handlers.write_msr(run.msr.index, run.msr.data) ? 0 : 1;
}

End system_event(const kvm_run& run) {
  switch (run.system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return {End::Kind::shutdown, ""};
    case KVM_SYSTEM_EVENT_RESET:
      return {End::Kind::reset, ""};
    case kvm::kSystemEventSevTerminate:
      return sev_termination(run.system_event.data[0]);
    case kvm::kSystemEventTdxFatal:
      return tdx_fatal_error(run);
    default:
      return {End::Kind::crash, fmt::format("system event {}", run.system_event.type)};
  }
}

End failure(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_INTERNAL_ERROR:
      return {End::Kind::crash,
              fmt::format("KVM internal error, suberror {}", run.internal.suberror)};
    case KVM_EXIT_FAIL_ENTRY:
      return {End::Kind::crash, fmt::format("VM entry failed, hardware reason {:#x}",
                                            run.fail_entry.hardware_entry_failure_reason)};
    default:
      return {End::Kind::crash, fmt::format("unexpected KVM exit {}", run.exit_reason)};
  }
}

}  // namespace

std::optional<End> dispatch(kvm_run& run, const Handlers& handlers, ExitCounters& counters) {
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      counters.count(ExitCause::io);
      handle_io(run, *handlers.pio);
      return std::nullopt;
    case KVM_EXIT_MMIO:
      counters.count(ExitCause::mmio);
      handle_mmio(run, *handlers.mmio);
      return std::nullopt;
    case KVM_EXIT_HYPERCALL:
      counters.count(ExitCause::hypercall);
      run.hypercall.ret = handle_hypercall(run, handlers);
      return std::nullopt;
    case KVM_EXIT_X86_RDMSR:
      counters.count(ExitCause::msr);
      handle_read_msr(run, handlers);
      return std::nullopt;
    case KVM_EXIT_X86_WRMSR:
      counters.count(ExitCause::msr);
      handle_write_msr(run, handlers);
      return std::nullopt;
    case KVM_EXIT_SHUTDOWN:
      counters.count(ExitCause::shutdown);
      return End{End::Kind::triple_fault, "triple fault"};
    case KVM_EXIT_SYSTEM_EVENT:
      counters.count(ExitCause::other);
      return system_event(run);
    case kvm::kExitMemoryFault:
      counters.count(ExitCause::other);
      return handle_memory_fault(run, handlers);
    case kvm::kExitTdx:
      counters.count(ExitCause::hypercall);
      if (handlers.tdx_call) handlers.tdx_call(exit_data<kvm::ExitTdx>(run));
      return std::nullopt;
    case kvm::kExitSnpReqCerts:
      counters.count(ExitCause::hypercall);
      handle_certificates(exit_data<kvm::ExitSnpReqCerts>(run), handlers);
      return std::nullopt;
    case KVM_EXIT_INTR:
      counters.count(ExitCause::other);
      return std::nullopt;
    default:
      counters.count(ExitCause::other);
      return failure(run);
  }
}

}  // namespace bartizan::vmm::vcpu
