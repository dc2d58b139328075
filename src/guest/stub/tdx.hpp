// The leaves of TDCALL that the stub uses: Intel TDX module ABI; GHCI for calls of the host.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bartizan::guest::stub {

// Upper half of a completion status.
constexpr uint32_t kTdxAlreadyAccepted = 0x00000b0a;
constexpr uint32_t kTdxPageSizeMismatch = 0xc0000b0b;
constexpr uint32_t kTdxOperandBusy = 0x80000200;

// The host makes a page busy by working on it; it must not hold us forever.
constexpr int kTdxMaxBusy = 100000;

uint32_t tdx_address_bits();  // GPAW: 48 or 52; the highest is the shared bit
uint32_t tdx_accept(uint64_t address, bool large);
constexpr size_t kTdxExtendBytes = 48;
uint32_t tdx_extend(uint64_t buffer, uint32_t rtmr);  // 64-aligned
[[noreturn]] void tdx_fatal_error(uint32_t reason);

}  // namespace bartizan::guest::stub
