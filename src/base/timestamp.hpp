// Times as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bartizan {

// RFC 3339 §5.6, UTC: "1970-01-01T00:00:00Z". `seconds` since 1970; of years
// that no clock has, the number.
std::string rfc3339(int64_t seconds);

// Back, of exactly that form; nothing: another.
std::optional<int64_t> parse_rfc3339(const std::string& text);

}  // namespace bartizan
