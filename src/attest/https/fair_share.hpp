// How a bounded store is divided among those who use it, none of whom is trusted or known
// beforehand.
#pragma once

#include <cstddef>

namespace bartizan::attest::https {

// Whether one who holds `own` places of `limit`, of which `used` are taken in all, may take one
// more: each may hold the `divisor`th part of what is free now. So one alone gets much, many get
// equal parts, and there is always room for one who holds none (dynamic thresholds, Choudhury and
// Hahne 1998).
constexpr bool within_fair_share(size_t own, size_t used, size_t limit, size_t divisor) {
  return used < limit && own * divisor < limit - used;
}

}  // namespace bartizan::attest::https
