// What one exit means: leads it to buses and handlers, and writes the answer into kvm_run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "vmm/devices/bus.hpp"
#include "vmm/kvm/kvm_abi.hpp"
#include "vmm/kvm/sev_abi.hpp"
#include "vmm/kvm/tdx_abi.hpp"
#include "vmm/vcpu/exits.hpp"

namespace bartizan::vmm::vcpu {

// Why a vCPU will not run again.
struct End {
  enum class Kind { triple_fault, shutdown, reset, crash, stopped };
  Kind kind = Kind::stopped;
  std::string detail;  // one line, for crash
  // What the guest's first program, whichever it is, gave as its reason before it had a console:
  // SEV: reason set << 8 | reason of the GHCB termination request; TDX: error code of
  // ReportFatalError.
  std::optional<uint64_t> sev_reason, tdx_error;
};

// Where exits lead. Called on vCPU threads, several at once.
struct Handlers {
  const devices::Bus* pio = nullptr;
  const devices::Bus* mmio = nullptr;
  // The guest makes `pages` pages from `address` on private or shared. Empty: there is no such
  // call. False: the guest gets EINVAL.
  std::function<bool(uint64_t address, uint64_t pages, bool make_private)> page_state;
  std::function<std::optional<uint64_t>(uint32_t index)>
      read_msr;  // nothing: general protection fault
  std::function<bool(uint32_t index, uint64_t value)> write_msr;  // false: general protection fault
  // TDX: a TDG.VP.VMCALL that KVM leaves to us; fills in the answer. Empty: KVM's own answer stays.
  std::function<void(kvm::ExitTdx& call)> tdx_call;
  // SNP: the guest asks for certificates; fills in the answer. Empty: it learns that there is
  // none.
  std::function<void(kvm::ExitSnpReqCerts& request)> certificates;
};

// Handles the exit in `run` and counts it. An End when the vCPU must stop.
std::optional<End> dispatch(kvm_run& run, const Handlers& handlers, ExitCounters& counters);

}  // namespace bartizan::vmm::vcpu
