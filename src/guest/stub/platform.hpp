// All that the stub cannot do as an ordinary program: privileged instructions, and memory by its
// guest-physical address. platform.cpp does it; tests put a double in its place, which plays the
// processor and keeps the sequence.
//
// One processor, no interrupts. Which function may be called on which platform is the caller's
// duty: CPUID, ports and most MSRs trap in SEV-ES, SNP and TDX guests, and the stub has no handler.
#pragma once

#include <cstdint>

namespace bartizan::guest::stub::platform {

// Identity-mapped: private, except the staging window.
uint8_t* memory(uint64_t address);

struct Cpuid {
  uint32_t eax, ebx, ecx, edx;
};
Cpuid cpuid(uint32_t leaf, uint32_t subleaf);  // none, simulated, SEV, TDX

constexpr uint32_t kMsrGhcb = 0xc0010130;
constexpr uint32_t kMsrSevStatus = 0xc0010131;
uint64_t read_msr(uint32_t msr);  // of these two
void write_ghcb_msr(uint64_t value);
void vmgexit();

// APM volume 3, PVALIDATE, of a private page by virtual address.
struct Validation {
  uint32_t result;
  bool unchanged;  // CF: the page was valid before
};
Validation pvalidate(uint64_t address, bool large);

// TDCALL: TDX module ABI (leaves), GHCI (leaf 0: calls of the host).
struct Tdcall {
  uint64_t rax, rcx, rdx, r8, r9, r10, r11, r12, r13;
};
void tdcall(Tdcall* registers);

void out32(uint16_t port, uint32_t value);
void load_cr3(uint64_t value);  // also forgets translations

[[noreturn]] void enter_kernel(uint64_t entry, uint64_t boot_params);
[[noreturn]] void halt();
[[noreturn]] void triple_fault();

}  // namespace bartizan::guest::stub::platform
