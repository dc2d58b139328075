// How steps of the stub end: done, or why not. No exceptions here: each step returns one of these.
#pragma once

#include "boot/stub_table.hpp"

namespace bartizan::stub {

using boot::StubPlatform;
using boot::StubRefusal;
using boot::StubTable;

constexpr StubRefusal kDone{0};

inline StubPlatform platform_of(const StubTable& table) {
  return static_cast<StubPlatform>(table.platform);
}

// Tells the host in the platform's way, and stops for good.
[[noreturn]] void refuse(StubPlatform platform, StubRefusal why);

}  // namespace bartizan::stub
