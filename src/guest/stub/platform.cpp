#include "guest/stub/platform.hpp"

extern "C" [[noreturn]] void stub_enter_kernel(uint64_t entry, uint64_t boot_params);  // entry.S

namespace bartizan::guest::stub::platform {

uint8_t* memory(uint64_t address) {
  return reinterpret_cast<uint8_t*>(address);
}

Cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
  Cpuid answer{leaf, 0, subleaf, 0};
  asm volatile("cpuid" : "+a"(answer.eax), "=b"(answer.ebx), "+c"(answer.ecx), "=d"(answer.edx));
  return answer;
}

uint64_t read_msr(uint32_t msr) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return static_cast<uint64_t>(high) << 32 | low;
}

void write_ghcb_msr(uint64_t value) {
  asm volatile("wrmsr"
               :
               : "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32)),
                 "c"(kMsrGhcb)
               : "memory");
}

void vmgexit() {
  asm volatile(".byte 0xf3, 0x0f, 0x01, 0xd9" ::: "memory");
}

Validation pvalidate(uint64_t address, bool large) {
  uint64_t rax = address;
  bool carry;
  asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
               : "+a"(rax), "=@ccc"(carry)
               : "c"(static_cast<uint32_t>(large)), "d"(1u)
               : "memory");
  return {static_cast<uint32_t>(rax), carry};
}

void tdcall(Tdcall* registers) {
  register uint64_t r8 asm("r8") = registers->r8;
  register uint64_t r9 asm("r9") = registers->r9;
  register uint64_t r10 asm("r10") = registers->r10;
  register uint64_t r11 asm("r11") = registers->r11;
  register uint64_t r12 asm("r12") = registers->r12;
  register uint64_t r13 asm("r13") = registers->r13;
  asm volatile(".byte 0x66, 0x0f, 0x01, 0xcc"
               : "+a"(registers->rax), "+c"(registers->rcx), "+d"(registers->rdx), "+r"(r8),
                 "+r"(r9), "+r"(r10), "+r"(r11), "+r"(r12), "+r"(r13)
               :
               : "memory");
  registers->r8 = r8;
  registers->r9 = r9;
  registers->r10 = r10;
  registers->r11 = r11;
  registers->r12 = r12;
  registers->r13 = r13;
}

void out32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" : : "a"(value), "d"(port));
}

void load_cr3(uint64_t value) {
  asm volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

void enter_kernel(uint64_t entry, uint64_t boot_params) {
  stub_enter_kernel(entry, boot_params);
}

void halt() {
  for (;;) asm volatile("hlt");
}

// The interrupt table is empty: this exception finds no handler, nor does the one that follows.
void triple_fault() {
  for (;;) asm volatile("ud2");
}

}  // namespace bartizan::guest::stub::platform
