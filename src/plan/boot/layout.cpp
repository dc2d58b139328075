#include "plan/boot/layout.hpp"

#include <algorithm>

namespace bartizan::plan::boot {

std::vector<RamRegion> ram_regions(uint64_t bytes, guest_abi::StubPlatform platform) {
  uint64_t low = std::min(bytes, kMmioHoleStart);
  std::vector<RamRegion> regions = {{{0}, low}};
  if (platform == guest_abi::StubPlatform::tdx) {
    regions.push_back({{guest_abi::kTdxResetPage}, kPageSize});
  }
  if (bytes > low) regions.push_back({{kRamAbove4GiB}, bytes - low});
  return regions;
}

}  // namespace bartizan::plan::boot
