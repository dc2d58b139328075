#include "bartizan/secret_bytes.hpp"

#include <openssl/crypto.h>

#include <utility>

#include "base/bytes.hpp"

namespace bartizan {

SecretBytes SecretBytes::from_string(std::string_view text) {
  return SecretBytes(as_bytes(text));
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  bytes_ = std::exchange(other.bytes_, {});
  return *this;
}

void SecretBytes::wipe() {
  if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
  bytes_.clear();
}

bool SecretBytes::equals(const SecretBytes& other) const {
  return size() == other.size() && CRYPTO_memcmp(bytes_.data(), other.bytes_.data(), size()) == 0;
}

}  // namespace bartizan
