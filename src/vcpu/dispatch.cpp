#include "vcpu/dispatch.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace bartizan::vcpu {
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
  if (address % 4096 != 0 || pages == 0) return EINVAL;
  handlers.page_state(address, pages, (run.hypercall.args[2] & kMapEncrypted) != 0);
  return 0;
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
    case KVM_EXIT_INTR:
      counters.count(ExitCause::other);
      return std::nullopt;
    default:
      counters.count(ExitCause::other);
      return failure(run);
  }
}

}  // namespace bartizan::vcpu
