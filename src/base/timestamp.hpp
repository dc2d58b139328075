// Times as text.
#pragma once

#include <cstdint>
#include <string>

namespace bartizan {

// RFC 3339 §5.6, UTC: "1970-01-01T00:00:00Z". `seconds` since 1970.
std::string rfc3339(int64_t seconds);

}  // namespace bartizan
