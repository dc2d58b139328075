// A small launch for the tests of the stub: five blobs, and on SNP and TDX four ranges.
#pragma once

#include "unit/guest/stub/platform_double.hpp"

namespace bartizan::guest::stub::test {

constexpr uint64_t kKernelEntry = 0x1000200;
constexpr uint32_t kBit = 47;
enum Place { kKernel, kInitrd, kCommandLine, kBootParams, kAcpi };  // in table().blobs

// The table as the planner would make it; `platform` answers as this platform.
guest_abi::StubTable good_table(guest_abi::StubPlatform platform);
void prepare(PlatformDouble* machine, guest_abi::StubPlatform platform);

}  // namespace bartizan::guest::stub::test
