// The launch plan: ONE value with two consumers, measure(plan) and launch(plan), so that they cannot disagree.
//
// It is an ordered list of guest pages with their kind and bytes, the initial state of each vCPU, and the policy.
// It is made without KVM and without looking at the host: same inputs, same plan, same digest, on any machine.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bartizan/tee.hpp"
#include "memory/guest_memory.hpp"

namespace bartizan::tee {

// SNP page types (SNP firmware ABI, PAGE_TYPE); other TEEs map them to what they have.
enum class PageKind : uint8_t { normal = 1, vmsa = 2, zero = 3, unmeasured = 4, secrets = 5, cpuid = 6 };

struct PlanItem {
  memory::GuestAddress address;        // 4096-aligned
  PageKind kind = PageKind::normal;
  std::string what;                    // "kernel", "acpi", "boot_params" …
  uint64_t size = 0;                   // bytes in the guest, multiple of 4096
  std::shared_ptr<const Bytes> bytes;  // normal: at most `size` bytes, zero-padded; zero: null
};

struct Segment {
  uint16_t selector = 0;
  uint16_t attributes = 0;  // VMCB form: type | s<<4 | dpl<<5 | p<<7 | avl<<8 | l<<9 | db<<10 | g<<11
  uint32_t limit = 0;
  uint64_t base = 0;
};

struct CpuState {
  uint64_t rip = 0, rsp = 0, rbp = 0, rsi = 0, rdx = 0, rflags = 2;
  uint64_t cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
  Segment cs, ds, es, fs, gs, ss, ldtr, tr, gdtr, idtr;
};

struct RamRegion {
  memory::GuestAddress base;
  uint64_t size = 0;
};

struct LaunchPlan {
  Tee tee = Tee::none;
  std::vector<RamRegion> ram;   // ascending, disjoint
  std::vector<PlanItem> items;  // in launch order; disjoint, inside `ram`
  std::vector<CpuState> cpus;   // one a vCPU, boot processor first
  uint64_t policy = 0;          // SNP guest policy; SEV, SEV-ES: theirs; TDX: attributes beside SEPT_VE_DISABLE
  uint64_t guest_features = 0;  // SEV_FEATURES in the VMSA; 0: the TEE's default. Measured
  uint8_t c_bit = 0;            // position of the C-bit in guest page tables; 0: none
};

// The C-bit of the simulated TEE. Fixed, so that page tables and digest are the same on every host; guests are told
// that physical addresses have 40 bits, which every x86-64 KVM host has.
constexpr uint8_t kSimulatedCBit = 39;

// SNP guest policy used unless told otherwise: SMT allowed (bit 16), reserved-must-be-one (bit 17); no debug, no
// migration agent.
constexpr uint64_t kDefaultSnpPolicy = 0x30000;

}  // namespace bartizan::tee
