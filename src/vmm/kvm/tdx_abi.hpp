// TDX: the commands of KVM_MEMORY_ENCRYPT_OP on TDX VMs and vCPUs, their structures, and
// KVM_EXIT_TDX. Mirrored here because linux-libc-dev 6.1 has none of it. Layouts: Linux
// Documentation/virt/kvm/x86/intel-tdx.rst; held against the newest packaged kernel headers by
// tests/fake_kvm/tee_abi_mirror.py.
//
// Structures that end in a CPUID table are heads here: CpuidHead, then the entries, follow
// directly.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>

#include "vmm/kvm/gmem_abi.hpp"
#include "vmm/kvm/kernel_api.hpp"
#include "vmm/kvm/kvm_abi.hpp"
#include "vmm/kvm/sev_abi.hpp"

namespace bartizan::vmm::kvm {

enum class TdxCommandId : uint32_t {
  capabilities = 0,     // VM
  init_vm = 1,          // VM
  init_vcpu = 2,        // vCPU; data: initial RCX and R8
  init_mem_region = 3,  // vCPU
  finalize_vm = 4,      // VM
  get_cpuid = 5,        // vCPU
};

struct TdxCommand {
  uint32_t id = 0;
  uint32_t flags = 0;
  uint64_t data = 0;
  uint64_t hw_error = 0;  // 0 on input; out: the TDX module's status (of VM commands only)
};
static_assert(sizeof(TdxCommand) == 24 && offsetof(TdxCommand, flags) == 4);
static_assert(offsetof(TdxCommand, data) == 8 && offsetof(TdxCommand, hw_error) == 16);

struct TdxCapabilities {  // too few entries: E2BIG, and the count is not updated
  uint64_t supported_attrs = 0;
  uint64_t supported_xfam = 0;
  uint64_t kernel_tdvmcallinfo_1_r11 = 0;
  uint64_t user_tdvmcallinfo_1_r11 = 0;
  uint64_t kernel_tdvmcallinfo_1_r12 = 0;
  uint64_t user_tdvmcallinfo_1_r12 = 0;
  uint64_t reserved[250] = {};
  CpuidHead cpuid;
};
static_assert(sizeof(TdxCapabilities) == 2056 && offsetof(TdxCapabilities, reserved) == 48);
static_assert(offsetof(TdxCapabilities, cpuid) == 2048);

// the only one KVM supports; Linux guests demand it
constexpr uint64_t kTdxAttributeSeptVeDisable = 1ull << 28;
constexpr size_t kTdxMaxInitCpuids = 256;

struct TdxInitVm {
  uint64_t attributes = 0;
  uint64_t xfam = 0;
  uint8_t mrconfigid[48] = {};
  uint8_t mrowner[48] = {};
  uint8_t mrownerconfig[48] = {};
  uint64_t reserved[12] = {};
  CpuidHead cpuid;
};
static_assert(sizeof(TdxInitVm) == 264 && offsetof(TdxInitVm, mrconfigid) == 16);
static_assert(offsetof(TdxInitVm, mrowner) == 64 && offsetof(TdxInitVm, mrownerconfig) == 112);
static_assert(offsetof(TdxInitVm, reserved) == 160 && offsetof(TdxInitVm, cpuid) == 256);

constexpr uint32_t kTdxMeasureMemoryRegion = 1;  // TdxCommand::flags of init_mem_region

struct TdxInitMemRegion {  // all three advanced by KVM, on success and on failure
  uint64_t source_addr = 0;
  uint64_t gpa = 0;
  uint64_t nr_pages = 0;
};
static_assert(sizeof(TdxInitMemRegion) == 24 && offsetof(TdxInitMemRegion, gpa) == 8);
static_assert(offsetof(TdxInitMemRegion, nr_pages) == 16);

// KVM_EXIT_TDX, at kExitDataOffset in kvm_run.
constexpr uint32_t kExitTdx = 40;
constexpr uint64_t kTdvmcallGetInfo = 0x10000;
constexpr uint64_t kTdvmcallMapGpa = 0x10001;
constexpr uint64_t kTdvmcallGetQuote = 0x10002;
constexpr uint64_t kTdvmcallReportFatalError = 0x10003;
constexpr uint64_t kTdvmcallSetupEventNotify = 0x10004;
constexpr uint64_t kTdvmcallSuccess = 0;
constexpr uint64_t kTdvmcallRetry = 1;
constexpr uint64_t kTdvmcallInvalidOperand = 0x8000000000000000;
constexpr uint64_t kTdvmcallSubfunctionUnsupported = 0x8000000000000003;

struct ExitTdx {
  uint64_t flags = 0;
  uint64_t nr = 0;
  uint64_t ret = 0;
  union {
    struct {
      uint64_t gpa, size;
    } get_quote;
    struct {
      uint64_t leaf, r11, r12, r13, r14;
    } get_tdvmcall_info;
    struct {
      uint64_t vector;
    } setup_event_notify;
    uint64_t raw[5] = {};
  };
};
static_assert(sizeof(ExitTdx) == 64 && offsetof(ExitTdx, nr) == 8 && offsetof(ExitTdx, ret) == 16);
static_assert(offsetof(ExitTdx, get_quote.size) == 32 && offsetof(ExitTdx, raw) == 24);
static_assert(offsetof(ExitTdx, get_tdvmcall_info.r14) == 56);

constexpr uint32_t kSystemEventTdxFatal = 7;  // data[i]: general register i

namespace request {
constexpr IoctlRequest tdx(TdxCommandId id) {
  switch (id) {
    case TdxCommandId::capabilities:
      return {kMemoryEncryptOp, "KVM_TDX_CAPABILITIES"};
    case TdxCommandId::init_vm:
      return {kMemoryEncryptOp, "KVM_TDX_INIT_VM"};
    case TdxCommandId::init_vcpu:
      return {kMemoryEncryptOp, "KVM_TDX_INIT_VCPU"};
    case TdxCommandId::init_mem_region:
      return {kMemoryEncryptOp, "KVM_TDX_INIT_MEM_REGION"};
    case TdxCommandId::finalize_vm:
      return {kMemoryEncryptOp, "KVM_TDX_FINALIZE_VM"};
    case TdxCommandId::get_cpuid:
      return {kMemoryEncryptOp, "KVM_TDX_GET_CPUID"};
  }
  return {kMemoryEncryptOp, "KVM_MEMORY_ENCRYPT_OP"};
}
}  // namespace request

}  // namespace bartizan::vmm::kvm
