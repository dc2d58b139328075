// SecretBytes: the only type in which bartizan keeps a key, a passphrase or a private value.
//
// It owns its memory, moves but does not copy by accident (`clone()` is the explicit copy), is
// wiped before release, has no stream operator and no fmt formatter, and compares in constant time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bartizan {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size) : bytes_(size) {}  // zeros, to be filled
  explicit SecretBytes(std::span<const uint8_t> source) : bytes_(source.begin(), source.end()) {}
  static SecretBytes from_string(std::string_view text);

  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.bytes_.clear();
  }
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }

  SecretBytes clone() const { return SecretBytes(std::span<const uint8_t>(bytes_)); }
  void wipe();  // overwrites, then empties

  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }
  std::span<const uint8_t> bytes() const { return bytes_; }
  std::span<uint8_t> mutable_bytes() { return bytes_; }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

  // Constant time in the content; lengths are public.
  bool equals(const SecretBytes& other) const;

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace bartizan
