// How steps of the stub end: done, or why not. No exceptions here: each step returns one of these.
#pragma once

#include "guest_abi/stub_table.hpp"

namespace bartizan::guest::stub {

using guest_abi::StubPlatform;
using guest_abi::StubRefusal;
using guest_abi::StubTable;

constexpr StubRefusal kDone{0};

inline StubPlatform platform_of(const StubTable& table) {
  return static_cast<StubPlatform>(table.platform);
}

// Tells the host in the platform's way, and stops for good.
[[noreturn]] void refuse(StubPlatform platform, StubRefusal why);

}  // namespace bartizan::guest::stub
