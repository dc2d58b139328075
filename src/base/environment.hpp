// Environment variables of the process, read only. An empty one counts as none, as most conventions
// have it. The library reads few, and each is in docs/reference/options.md or its function's
// comment; secrets never come this way.
#pragma once

#include <optional>
#include <string>

namespace bartizan {

// A program that changes its environment in another thread meanwhile breaks POSIX' rule for
// getenv(), not ours.
std::optional<std::string> environment(const char* name);

}  // namespace bartizan
