// Little-endian loads and stores, a bounds-checked reader, hex and base64: the only ways in which
// bytes from outside become numbers.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Unaligned little-endian access (the host is x86-64; asserted where it matters).
template <typename T>
requires std::is_trivially_copyable_v<T> T load_le(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
requires std::is_trivially_copyable_v<T>
void store_le(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

// Reads forward through a buffer; every step checks the bound first.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> read() {
    if (bytes_.size() - position_ < sizeof(T)) return truncated(sizeof(T));
    T value = load_le<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }
  Result<ByteView> take(size_t count);
  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

 private:
  Error truncated(size_t wanted) const;

  ByteView bytes_;
  std::string_view what_;  // names the object in errors; must outlive the reader
  size_t position_ = 0;
};

std::string to_hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view text);  // even length, no prefix, either case

enum class Base64 { standard, url };  // RFC 4648 §4 with padding, §5 without
std::string to_base64(ByteView bytes, Base64 kind = Base64::standard);
// strict: no white space
Result<Bytes> from_base64(std::string_view text, Base64 kind = Base64::standard);

}  // namespace bartizan
