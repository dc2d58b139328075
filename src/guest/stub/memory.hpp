// Makes the guest's memory usable: private pages that no launch page brought are validated (SNP) or
// accepted (TDX).
#pragma once

#include "guest/stub/processor.hpp"

namespace bartizan::guest::stub {

// Bits that make a page table entry's page private.
uint64_t private_bits(const StubTable& table);

// All ranges of the table, in the largest pages that the host backs them with; then the zero page
// is cleared. A page that was validated before is refused: the host may have put another page in
// the place of one that we filled.
StubRefusal accept_memory(const StubTable& table, const Processor& processor);

}  // namespace bartizan::guest::stub
