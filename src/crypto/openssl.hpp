// Owning pointers for OpenSSL objects and the one way to turn its error queue into an Error. Inside
// src/crypto only.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>

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
using MemoryBio = std::unique_ptr<BIO, OpensslDelete<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, OpensslDelete<BN_clear_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, OpensslDelete<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, OpensslDelete<OSSL_PARAM_free>>;

inline BigNumber number(ByteView big_endian) {
  return BigNumber(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
}

const EVP_MD* digest_of(HashKind kind);

// For PEM: without it OpenSSL would ask the terminal for the passphrase of an encrypted key.
inline int no_passphrase(char*, int, int, void*) {
  return -1;
}

// `internal` (or `code`), with OpenSSL's own reason; empties the error queue.
Error openssl_error(std::string_view operation, ErrorCode code = ErrorCode::internal);

}  // namespace bartizan::crypto
