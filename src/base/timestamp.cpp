#include "base/timestamp.hpp"

#include <fmt/format.h>
#include <time.h>

namespace bartizan {

std::string rfc3339(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  tm fields{};
  if (::gmtime_r(&time, &fields) == nullptr) return std::to_string(seconds);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", fields.tm_year + 1900,
                     fields.tm_mon + 1, fields.tm_mday, fields.tm_hour, fields.tm_min,
                     fields.tm_sec);
}

std::optional<int64_t> parse_rfc3339(const std::string& text) {
  tm fields{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &fields);
  if (text.size() != 20 || end == nullptr || *end != 0) return std::nullopt;
  const int64_t seconds = ::timegm(&fields);
  // timegm() makes the 2nd of March of the 30th of February.
  if (rfc3339(seconds) != text) return std::nullopt;
  return seconds;
}

}  // namespace bartizan
