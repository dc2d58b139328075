// Brings kernel, initrd and what else the table names into private memory, and believes them only
// then.
#pragma once

#include "guest/stub/processor.hpp"

namespace bartizan::guest::stub {

// Copy, hash the copy, compare, blob by blob; TDX: extend the runtime measurement registers. What
// the host does to the staging window meanwhile decides at most whether the launch goes on.
StubRefusal take_blobs(const StubTable& table, const Processor& processor);

}  // namespace bartizan::guest::stub
