// Limits of a guest that both builders and launchers keep.
#pragma once

#include <cstdint>

namespace bartizan::guest_abi {

// One byte of APIC id, 255 is the broadcast: more vCPUs would need x2APIC entries in the MADT.
constexpr uint32_t kMaxVcpus = 254;

}  // namespace bartizan::guest_abi
