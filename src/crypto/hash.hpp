// Hashes (FIPS 180-4), HMAC-free: one-shot and incremental. Random bytes. PBKDF2 (RFC 8018 §5.2).
#pragma once

#include <array>
#include <memory>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"

namespace bartizan::crypto {

using Sha256Digest = std::array<uint8_t, 32>;
using Sha384Digest = std::array<uint8_t, 48>;
using Sha512Digest = std::array<uint8_t, 64>;

Sha256Digest sha256(ByteView data);
Sha384Digest sha384(ByteView data);
Sha512Digest sha512(ByteView data);

// Incremental SHA-256 / SHA-384, for data that is never whole in memory. finish() ends it.
enum class HashKind { sha256, sha384, sha512 };
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void update(ByteView data);
  Bytes finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SHA-256 of one prefix before many pieces (salted blocks): without the cost of a fresh context for
// each. One thread.
class PrefixHasher {
 public:
  explicit PrefixHasher(ByteView prefix);
  PrefixHasher(PrefixHasher&&) noexcept;
  ~PrefixHasher();
  Sha256Digest hash(ByteView piece);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// HKDF with SHA-256 (RFC 5869): extract with `salt`, expand with `label`. At most 8160 bytes.
Result<SecretBytes> hkdf_sha256(ByteView key, ByteView salt, std::string_view label, size_t size);

// From the operating system's generator, through OpenSSL. Fails only if that generator does.
Result<void> random_bytes(std::span<uint8_t> to);
Result<SecretBytes> random_secret(size_t size);

// `hash_name` as LUKS2 and OpenSSL spell it ("sha256").
Result<SecretBytes> pbkdf2(ByteView password, ByteView salt, uint32_t iterations,
                           std::string_view hash_name, size_t key_size);

// Constant time in the content.
bool equal_constant_time(ByteView a, ByteView b);

}  // namespace bartizan::crypto
