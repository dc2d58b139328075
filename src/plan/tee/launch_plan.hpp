// The launch plan: ONE value with two consumers, measure(plan) and launch(plan), so that they
// cannot disagree.
//
// It is an ordered list of guest pages with their kind and bytes, the initial state of each vCPU,
// and the policy. It is made without KVM and without looking at the host: same inputs, same plan,
// same digest, on any machine.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bartizan/tee.hpp"
#include "base/bytes.hpp"
#include "base/guest_address.hpp"

namespace bartizan::plan::tee {

// SNP page types (SNP firmware ABI, PAGE_TYPE); other TEEs map them to what they have.
enum class PageKind : uint8_t {
  normal = 1,
  vmsa = 2,
  zero = 3,
  unmeasured = 4,
  secrets = 5,
  cpuid = 6
};

struct PlanItem {
  GuestAddress address;  // 4096-aligned
  PageKind kind = PageKind::normal;
  std::string what;   // "kernel", "acpi", "boot_params" …
  uint64_t size = 0;  // bytes in the guest, multiple of 4096
  // normal, unmeasured: at most `size` bytes, zero-padded. zero: null; secrets and cpuid: null,
  // because the firmware or the launch fills them.
  std::shared_ptr<const Bytes> bytes;
};

struct Segment {
  uint16_t selector = 0;
  // VMCB form: type | s<<4 | dpl<<5 | p<<7 | avl<<8 | l<<9 | db<<10 | g<<11
  uint16_t attributes = 0;
  uint32_t limit = 0;
  uint64_t base = 0;
};

struct CpuState {
  uint64_t rip = 0, rsp = 0, rbp = 0, rsi = 0, rdx = 0, rflags = 2;
  uint64_t cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
  Segment cs, ds, es, fs, gs, ss, ldtr, tr, gdtr, idtr;
};

// What the boot stub copies from shared memory outside RAM and compares with the launch table: it
// is neither measured by its page nor loaded through a security processor.
struct StagedBlob {
  GuestAddress address;  // 4096-aligned
  std::string what;      // "kernel", "initrd"
  std::shared_ptr<const Bytes> bytes;
};

// TDX: how the boot stub extends a runtime measurement register, before Linux runs.
struct RuntimeExtend {
  uint32_t index = 0;  // 0 to 3
  std::array<uint8_t, 48> value{};
};

struct LaunchPlan {
  Tee tee = Tee::none;
  std::vector<RamRegion> ram;          // ascending, disjoint
  std::vector<PlanItem> items;         // in launch order; disjoint, inside `ram`
  std::vector<StagedBlob> staged;      // ascending, disjoint, outside `ram`
  std::vector<RuntimeExtend> extends;  // TDX, in order
  std::vector<CpuState> cpus;          // one per vCPU, boot processor first
  // SNP guest policy; SEV, SEV-ES: theirs; TDX: attributes beside SEPT_VE_DISABLE
  uint64_t guest_policy = 0;
  uint64_t guest_features = 0;  // SEV_FEATURES in the VMSA; 0: the TEE's default. Measured
  // SEV, SEV-ES: where a launch secret goes, loaded as zeros; 0: nowhere
  GuestAddress secret;
  uint8_t c_bit = 0;  // position of the C-bit in guest page tables; TDX: of the shared bit; 0: none
};

// The C-bit of the simulated TEE. Fixed, so that page tables and digest are the same on every host;
// guests see physical addresses of 40 bits, which every x86-64 KVM host has.
constexpr uint8_t kSimulatedCBit = 39;

// C-bit of SEV, SEV-ES and SNP guests where the host is not asked: Milan and later have it at 51,
// Naples and Rome at 47.
constexpr uint8_t kDefaultCBit = 51;
// The shared bit of a TD whose guest addresses have 48 bits, as we launch them.
constexpr uint8_t kTdxSharedBit = 47;

// What one launch may give to a security processor that takes a millisecond a page, whatever the
// size of kernel and initrd. Register pages (VMSAs) come on top, one per vCPU with SEV-ES and SNP.
constexpr uint64_t kMaxLoadedPages = 64;

}  // namespace bartizan::plan::tee
