// Arithmetic on untrusted numbers: no wrap, ever.
#pragma once

#include <cstdint>
#include <optional>

namespace bartizan {

template <typename T>
std::optional<T> checked_add(T a, T b) {
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}
template <typename T>
std::optional<T> checked_mul(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Precondition for both: `unit` is a power of two; align_up also needs value + unit - 1 not to
// wrap.
constexpr uint64_t align_down(uint64_t value, uint64_t unit) {
  return value & ~(unit - 1);
}
constexpr uint64_t align_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) & ~(unit - 1);
}

}  // namespace bartizan
