// SecretBytes: the only type in which bartizan keeps a key, a passphrase or a private value.
//
// It owns its memory, which is on pages of its own that no core dump has and, where the process may
// lock them (RLIMIT_MEMLOCK), no swap. It moves but does not copy by accident (`clone()` is the
// explicit copy), is wiped before release, has no stream operator and no fmt formatter, and
// compares in constant time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace bartizan {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size);  // zeros, to be filled; throws std::bad_alloc
  explicit SecretBytes(std::span<const uint8_t> source);
  static SecretBytes from_string(std::string_view text);

  SecretBytes(SecretBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }

  SecretBytes clone() const { return SecretBytes(bytes()); }
  void wipe();  // overwrites, then empties

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  std::span<uint8_t> mutable_bytes() { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // Constant time in the content; lengths are public.
  bool equals(const SecretBytes& other) const;

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace bartizan
