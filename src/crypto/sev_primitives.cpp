#include "crypto/sev_primitives.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {
namespace {

constexpr size_t kAesBlock = 16;

PrivateKeyHandle public_key(const RsaPublicKey& key) {
  BigNumber n = number(key.modulus), e = number(key.exponent);
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  bool built = n && e && builder &&
               OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
               OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
  if (!built) return nullptr;
  Parameters params(OSSL_PARAM_BLD_to_param(builder.get()));
  PrivateKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  bool ok = params && context && EVP_PKEY_fromdata_init(context.get()) > 0 &&
            EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) > 0;
  return PrivateKeyHandle(ok ? made : nullptr);
}

}  // namespace

Result<Sha256Digest> hmac_sha256(ByteView key, ByteView message) {
  Sha256Digest mac;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
           mac.data(), nullptr) == nullptr) {
    return openssl_error("HMAC");
  }
  return mac;
}

Result<Bytes> aes_128_ctr(ByteView key, ByteView iv, ByteView from) {
  if (key.size() != kAesBlock || iv.size() != kAesBlock) {
    return make_error(ErrorCode::invalid_argument, "crypto",
                      "AES-128-CTR: key of {} and IV of {} bytes: 16 needed", key.size(),
                      iv.size());
  }
  Bytes to(from.size());
  CipherContext context(EVP_CIPHER_CTX_new());
  int produced = 0;
  bool done =
      context &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, key.data(), iv.data()) == 1 &&
      EVP_EncryptUpdate(context.get(), to.data(), &produced, from.data(),
                        static_cast<int>(from.size())) == 1;
  if (!done || static_cast<size_t>(produced) != to.size()) return openssl_error("AES-128-CTR");
  return to;
}

bool rsa_pss_verify(const RsaPublicKey& key, HashKind hash, ByteView message, ByteView signature) {
  PrivateKeyHandle handle = public_key(key);
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // belongs to `context`
  bool good =
      handle && context &&
      EVP_DigestVerifyInit(context.get(), &options, digest_of(hash), nullptr, handle.get()) == 1 &&
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) > 0 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                       message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace bartizan::crypto
