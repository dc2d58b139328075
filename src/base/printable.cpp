#include "base/printable.hpp"

#include <fmt/core.h>

#include <cstdint>

namespace bartizan {
namespace {

uint32_t code_point(std::string_view text, size_t at, size_t size) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (size == 1) return byte(0);
  if (size == 2) return (byte(0) & 0x1fu) << 6 | (byte(1) & 0x3fu);
  return (byte(0) & 0xfu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
}

// Marks, embeddings, overrides and isolates of direction, and separators of lines.
bool changes_direction_or_line(uint32_t point) {
  return point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069);
}

}  // namespace

size_t steering_bytes(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if ((first < 0x20 && first != '\t') || first == 0x7f) return 1;
  if (first == 0xc2 && at + 1 < text.size()) {
    const uint32_t point = code_point(text, at, 2);
    return point >= 0x80 && point < 0xa0 ? 2 : 0;
  }
  if (first == 0xe2 && at + 2 < text.size())
    return changes_direction_or_line(code_point(text, at, 3)) ? 3 : 0;
  return 0;
}

std::string harmless(std::string_view text) {
  std::string safe;
  for (size_t i = 0; i < text.size();) {
    const size_t size = steering_bytes(text, i);
    if (size == 0) {
      safe += text[i++];
      continue;
    }
    const uint32_t point = code_point(text, i, size);
    safe += point < 0x100 ? fmt::format("\\x{:02x}", point) : fmt::format("\\u{:04x}", point);
    i += size;
  }
  return safe;
}

}  // namespace bartizan
