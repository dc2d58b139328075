#include "image/tar/pax.hpp"

#include <charconv>

#include "base/errors.hpp"

namespace bartizan::image::tar {

std::optional<uint64_t> parse_decimal(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<PaxRecords> parse_pax(std::string_view text, std::string_view what) {
  PaxRecords records;
  auto corrupt = [&] {
    return make_error(ErrorCode::corrupt, "image/tar", "{}: a PAX record is malformed", what);
  };
  while (!text.empty()) {
    size_t space = text.find(' ');
    if (space == std::string_view::npos) return corrupt();
    auto length = parse_decimal(text.substr(0, space));
    if (!length || *length > text.size() || *length < space + 3 || text[*length - 1] != '\n') {
      return corrupt();
    }
    std::string_view record = text.substr(space + 1, *length - space - 2);
    size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) return corrupt();
    std::string key(record.substr(0, equals));
    records.erase(key);
    if (equals + 1 < record.size()) records[key] = record.substr(equals + 1);
    text.remove_prefix(*length);
  }
  return records;
}

std::optional<PaxTime> parse_pax_time(std::string_view text) {
  constexpr uint32_t kSecond = 1'000'000'000;
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  size_t point = text.find('.');
  auto whole = parse_decimal(text.substr(0, point));
  if (!whole || *whole > static_cast<uint64_t>(INT64_MAX) - 1) return std::nullopt;
  uint32_t fraction = 0, unit = kSecond / 10;
  for (char digit : point == std::string_view::npos ? "" : text.substr(point + 1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    fraction += static_cast<uint32_t>(digit - '0') * unit;
    unit /= 10;
  }
  PaxTime time{static_cast<int64_t>(*whole), fraction};
  if (!negative) return time;
  if (fraction == 0) return PaxTime{-time.seconds, 0};
  return PaxTime{-time.seconds - 1, kSecond - fraction};
}

}  // namespace bartizan::image::tar
