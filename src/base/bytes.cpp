#include "base/bytes.hpp"

#include <array>

#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr std::string_view kStandardAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string_view alphabet(Base64 kind) {
  return kind == Base64::standard ? kStandardAlphabet : kUrlAlphabet;
}

std::array<int8_t, 256> reverse(std::string_view letters) {
  std::array<int8_t, 256> table;
  table.fill(-1);
  for (size_t i = 0; i < letters.size(); ++i)
    table[static_cast<uint8_t>(letters[i])] = static_cast<int8_t>(i);
  return table;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error corrupt_base64() {
  return make_error(ErrorCode::corrupt, "base", "not valid base64");
}

}  // namespace

Result<ByteView> ByteReader::take(size_t count) {
  if (bytes_.size() - position_ < count) return truncated(count);
  ByteView part = bytes_.subspan(position_, count);
  position_ += count;
  return part;
}

Error ByteReader::truncated(size_t wanted) const {
  return make_error(ErrorCode::corrupt, "base", "{}: ends at byte {}, {} more needed at {}", what_,
                    bytes_.size(), wanted, position_);
}

std::string to_hex(ByteView bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0)
    return make_error(ErrorCode::corrupt, "base", "hex text has an odd length");
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0)
      return make_error(ErrorCode::corrupt, "base", "not a hex digit at {}", i);
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::string to_base64(ByteView bytes, Base64 kind) {
  std::string_view letters = alphabet(kind);
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = bytes[i] << 16;
    if (count > 1) group |= bytes[i + 1] << 8;
    if (count > 2) group |= bytes[i + 2];
    for (size_t j = 0; j <= count; ++j) text += letters[group >> (18 - 6 * j) & 63];
    if (kind == Base64::standard) text.append(3 - count, '=');
  }
  return text;
}

Result<Bytes> from_base64(std::string_view text, Base64 kind) {
  static const auto standard = reverse(kStandardAlphabet), url = reverse(kUrlAlphabet);
  const auto& table = kind == Base64::standard ? standard : url;
  if (kind == Base64::standard) {
    if (text.size() % 4 != 0) return corrupt_base64();
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return corrupt_base64();
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    const int8_t value = table[static_cast<uint8_t>(c)];
    if (value < 0) return corrupt_base64();
    group = (group << 6 | static_cast<uint32_t>(value)) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<uint8_t>(group >> bits));
    }
  }
  // One text for one value: bits that carry nothing must be zero (RFC 4648 §3.5).
  if ((group & ((1u << bits) - 1)) != 0) return corrupt_base64();
  return bytes;
}

}  // namespace bartizan
