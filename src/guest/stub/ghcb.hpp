// Talking to the host of an SEV-ES or SNP guest: "SEV-ES Guest-Hypervisor Communication Block
// Standardization" (GHCB specification). The host's answers are hostile: they can stop the launch,
// not change what is measured.
#pragma once

#include <cstdint>

#include "guest/stub/refusal.hpp"

namespace bartizan::guest::stub {

// GHCB MSR protocol, CPUID request, sub-leaf 0.
enum class CpuidRegister : uint64_t { eax, ebx, ecx, edx };
uint32_t ghcb_cpuid(uint32_t leaf, CpuidRegister which);  // 0 if the host does not answer

// Registers with the host where further processors find their start address, which it passes to
// Linux. The GHCB is the first page of the staging window.
StubRefusal set_ap_jump_table(const StubTable& table);

[[noreturn]] void ghcb_terminate(uint32_t reason);

}  // namespace bartizan::guest::stub
