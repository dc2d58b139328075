#include "base/timestamp.hpp"

#include <fmt/format.h>
#include <time.h>

namespace bartizan {

std::string rfc3339(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  tm fields{};
  ::gmtime_r(&time, &fields);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", fields.tm_year + 1900,
                     fields.tm_mon + 1, fields.tm_mday, fields.tm_hour, fields.tm_min,
                     fields.tm_sec);
}

}  // namespace bartizan
