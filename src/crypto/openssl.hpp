// Owning pointers for OpenSSL objects and the one way to turn its error queue into an Error. Inside src/crypto only.
#pragma once

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <memory>
#include <string_view>

#include "bartizan/error.hpp"
#include "crypto/hash.hpp"

namespace bartizan::crypto {

template <auto Free>
struct OpensslDelete {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, OpensslDelete<EVP_CIPHER_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, OpensslDelete<EVP_MD_CTX_free>>;
using PrivateKeyHandle = std::unique_ptr<EVP_PKEY, OpensslDelete<EVP_PKEY_free>>;
using PrivateKeyContext = std::unique_ptr<EVP_PKEY_CTX, OpensslDelete<EVP_PKEY_CTX_free>>;

const EVP_MD* digest_of(HashKind kind);

// `internal` (or `code`), with OpenSSL's own reason; empties the error queue.
Error openssl_error(std::string_view operation, ErrorCode code = ErrorCode::internal);

}  // namespace bartizan::crypto
