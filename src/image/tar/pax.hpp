// Records of a PAX extended header (POSIX.1-2008 pax, "pax Extended Header"): "LENGTH KEY=VALUE\n".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"

namespace bartizan::image::tar {

using PaxRecords = std::map<std::string, std::string>;

// Later records of a key replace earlier ones, and an empty value takes the key away (as POSIX has
// it, and as other unpackers of images do). corrupt if a length lies.
Result<PaxRecords> parse_pax(std::string_view text, std::string_view what);

// "-12.25" is {-13, 750000000}. Digits beyond nanoseconds are dropped. Nothing if it is not a time.
struct PaxTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
};
std::optional<PaxTime> parse_pax_time(std::string_view text);

std::optional<uint64_t> parse_decimal(std::string_view text);

}  // namespace bartizan::image::tar
