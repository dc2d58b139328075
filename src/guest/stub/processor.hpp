// Whether the processor runs in the mode of the launch table, and what it can do.
#pragma once

#include "guest/stub/refusal.hpp"

namespace bartizan::guest::stub {

struct Processor {
  bool sha_instructions = false;
  bool evict_validated = false;  // SNP: cache lines of a validated page must be read once
};

// Refuses `platform` and `address_bit`. No instruction that traps on the table's platform is used.
StubRefusal look_at_processor(const StubTable& table, Processor* processor);

}  // namespace bartizan::guest::stub
