// A small launch for the tests of the stub: five blobs, and on SNP and TDX four ranges.
#pragma once

#include "unit/guest/stub/platform_double.hpp"

namespace bartizan::stub::test {

constexpr uint64_t kKernelEntry = 0x1000200;
constexpr uint32_t kBit = 47;
enum Place { kKernel, kInitrd, kCommandLine, kBootParams, kAcpi };  // in table().blobs

// The table as the planner would make it; `platform` answers as this platform.
boot::StubTable good_table(boot::StubPlatform platform);
void prepare(PlatformDouble* machine, boot::StubPlatform platform);

}  // namespace bartizan::stub::test
