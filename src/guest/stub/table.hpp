// Is the launch table one that the stub can follow? It is measured, so a wrong one is a mistake of
// the planner's or, where the launch digest knows no addresses (SEV, SEV-ES), another page in its
// place. Pure: tests and the fuzz target call it with any bytes.
#pragma once

#include "guest/stub/refusal.hpp"

namespace bartizan::guest::stub {

constexpr uint64_t kFourGiB = 4 * kGiB;

constexpr uint64_t page_up(uint64_t size) {
  return (size + kPageSize - 1) & ~(kPageSize - 1);
}

// What holds afterwards:
// * magic, version; a platform that exists; an address bit in 32..51, or 0 for `none`
// * blobs: each kind at most once, a kernel and boot_params among them; whole pages below the
//   staging window, none over another, the stub's own pages or (SNP) the firmware's; sources in the
//   staging window, behind the stub's page
// * what is copied lies in ranges, where there are ranges; kernel_entry in the kernel, boot_params
//   where its blob is
// * ranges: on SNP and TDX only; ascending, disjoint, in RAM. They may name pages between the
//   stub's own that no launch page fills; one that was filled turns out to be valid already
StubRefusal check_table(const StubTable& table);

}  // namespace bartizan::guest::stub
