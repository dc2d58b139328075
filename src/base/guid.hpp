// GUIDs as firmware stores them: the first three groups little endian, the rest as written
// (UEFI specification, appendix A).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace bartizan {

using Guid = std::array<uint8_t, 16>;

// "96b582de-1fb2-45f7-baea-a366c55a082d", checked by the compiler.
consteval Guid guid(std::string_view text) {
  constexpr int kOrder[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw "not a hexadecimal digit";
  };
  Guid bytes{};
  size_t at = 0;
  for (int position : kOrder) {
    if (text[at] == '-') at++;
    bytes[position] = static_cast<uint8_t>(digit(text[at]) << 4 | digit(text[at + 1]));
    at += 2;
  }
  if (at != text.size()) throw "not a GUID";
  return bytes;
}

}  // namespace bartizan
