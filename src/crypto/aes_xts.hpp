// AES-XTS over sectors, as dm-crypt's "aes-xts-plain64" does it: the tweak of a sector is its
// number, little endian, counted in units of 512 bytes from the segment's start when `sector_size`
// is 512, and likewise (dm-crypt's default, no iv_large_sectors) in units of 512 bytes when it is
// larger.
#pragma once

#include <memory>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::crypto {

class AesXts {
 public:
  enum class Direction { encrypt, decrypt };

  // `key` is 32 (AES-128) or 64 bytes (AES-256), both halves; equal halves are refused (IEEE 1619,
  // FIPS 140 IG A.9).
  static Result<AesXts> create(ByteView key, uint32_t sector_size, Direction direction);
  AesXts(AesXts&&) noexcept;
  ~AesXts();

  // `from` and `to` hold whole sectors, may be the same buffer; `offset` is the byte offset of the
  // first one in the segment. One object serves one thread.
  Result<void> process(ByteView from, std::span<uint8_t> to, uint64_t offset);

 private:
  struct State;
  explicit AesXts(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::crypto
