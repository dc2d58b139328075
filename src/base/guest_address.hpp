// Places in guest-physical memory: what plans, launches and devices pass to each other.
#pragma once

#include <compare>
#include <cstdint>

namespace bartizan {

// A guest-physical address, without any C-bit or shared bit. A type of its own so that it is never
// a host pointer.
struct GuestAddress {
  uint64_t value = 0;
  auto operator<=>(const GuestAddress&) const = default;
  GuestAddress operator+(uint64_t offset) const { return {value + offset}; }  // callers check first
};

// [base, base + size) is RAM.
struct RamRegion {
  GuestAddress base;
  uint64_t size = 0;  // bytes, a multiple of kPageSize
};

}  // namespace bartizan
