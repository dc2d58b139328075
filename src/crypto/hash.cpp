#include "crypto/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <string>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {

Error openssl_error(std::string_view operation, ErrorCode code) {
  char text[256] = "no reason given";
  if (unsigned long error = ERR_get_error()) ERR_error_string_n(error, text, sizeof text);
  ERR_clear_error();
  return make_error(code, "crypto", "{}: {}", operation, text);
}

Sha256Digest sha256(ByteView data) {
  Sha256Digest digest;
  SHA256(data.data(), data.size(), digest.data());
  return digest;
}

Sha384Digest sha384(ByteView data) {
  Sha384Digest digest;
  SHA384(data.data(), data.size(), digest.data());
  return digest;
}

Sha512Digest sha512(ByteView data) {
  Sha512Digest digest;
  SHA512(data.data(), data.size(), digest.data());
  return digest;
}

struct Hasher::State {
  DigestContext context{EVP_MD_CTX_new()};
};

const EVP_MD* digest_of(HashKind kind) {
  switch (kind) {
    case HashKind::sha256:
      return EVP_sha256();
    case HashKind::sha384:
      return EVP_sha384();
    case HashKind::sha512:
      return EVP_sha512();
  }
  return EVP_sha256();
}

Hasher::Hasher(HashKind kind) : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context.get(), digest_of(kind), nullptr);
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(ByteView data) {
  EVP_DigestUpdate(state_->context.get(), data.data(), data.size());
}

Bytes Hasher::finish() {
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size);
  digest.resize(size);
  return digest;
}

struct PrefixHasher::State {
  DigestContext context{EVP_MD_CTX_new()};
  Bytes prefix;
};

PrefixHasher::PrefixHasher(ByteView prefix) : state_(std::make_unique<State>()) {
  state_->prefix.assign(prefix.begin(), prefix.end());
  EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr);
}
PrefixHasher::PrefixHasher(PrefixHasher&&) noexcept = default;
PrefixHasher::~PrefixHasher() = default;

Sha256Digest PrefixHasher::hash(ByteView piece) {
  EVP_MD_CTX* context = state_->context.get();
  Sha256Digest digest;
  EVP_DigestInit_ex(context, nullptr, nullptr);  // the same algorithm again
  EVP_DigestUpdate(context, state_->prefix.data(), state_->prefix.size());
  EVP_DigestUpdate(context, piece.data(), piece.size());
  EVP_DigestFinal_ex(context, digest.data(), nullptr);
  return digest;
}

Result<SecretBytes> hkdf_sha256(ByteView key, ByteView salt, std::string_view label, size_t size) {
  PrivateKeyContext context(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr));
  SecretBytes derived(size);
  size_t produced = size;
  bool done =
      context && EVP_PKEY_derive_init(context.get()) > 0 &&
      EVP_PKEY_CTX_set_hkdf_md(context.get(), EVP_sha256()) > 0 &&
      EVP_PKEY_CTX_set1_hkdf_salt(context.get(), salt.data(), static_cast<int>(salt.size())) > 0 &&
      EVP_PKEY_CTX_set1_hkdf_key(context.get(), key.data(), static_cast<int>(key.size())) > 0 &&
      EVP_PKEY_CTX_add1_hkdf_info(context.get(), reinterpret_cast<const uint8_t*>(label.data()),
                                  static_cast<int>(label.size())) > 0 &&
      EVP_PKEY_derive(context.get(), derived.mutable_bytes().data(), &produced) > 0;
  if (!done || produced != size) return openssl_error("HKDF");
  return derived;
}

Result<void> random_bytes(std::span<uint8_t> to) {
  if (RAND_bytes(to.data(), static_cast<int>(to.size())) != 1) return openssl_error("RAND_bytes");
  return {};
}

Result<SecretBytes> random_secret(size_t size) {
  SecretBytes secret(size);
  if (RAND_priv_bytes(secret.mutable_bytes().data(), static_cast<int>(size)) != 1) {
    return openssl_error("RAND_priv_bytes");
  }
  return secret;
}

Result<SecretBytes> pbkdf2(ByteView password, ByteView salt, uint32_t iterations,
                           std::string_view hash_name, size_t key_size) {
  const EVP_MD* digest = EVP_get_digestbyname(std::string(hash_name).c_str());
  if (!digest)
    return make_error(ErrorCode::unsupported, "crypto", "hash \"{}\" is not known", hash_name);
  SecretBytes key(key_size);
  if (PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()),
                        static_cast<int>(password.size()), salt.data(),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), digest,
                        static_cast<int>(key_size), key.mutable_bytes().data()) != 1) {
    return openssl_error("PBKDF2");
  }
  return key;
}

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace bartizan::crypto
