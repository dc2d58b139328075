#include "crypto/ed25519.hpp"

#include <openssl/pem.h>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {
namespace {

constexpr size_t kSignatureBytes = 64;

}  // namespace

Result<Bytes> ed25519_sign(const SecretBytes& private_key_pem, ByteView message) {
  MemoryBio bio(
      BIO_new_mem_buf(private_key_pem.bytes().data(), static_cast<int>(private_key_pem.size())));
  PrivateKeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return openssl_error("Ed25519 private key: not plain PEM", ErrorCode::corrupt);
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519)
    return make_error(ErrorCode::unsupported, "crypto", "private key is not of Ed25519");
  DigestContext context(EVP_MD_CTX_new());
  Bytes signature(kSignatureBytes);
  size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    return openssl_error("Ed25519 signature");
  return signature;
}

}  // namespace bartizan::crypto
