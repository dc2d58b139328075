#include "crypto/ec.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {
namespace {

using Signature = std::unique_ptr<ECDSA_SIG, OpensslDelete<ECDSA_SIG_free>>;

const char* group_name(Curve curve) {
  return curve == Curve::p256 ? "P-256" : curve == Curve::p384 ? "P-384" : "P-521";
}

Bytes padded(const BIGNUM* value, size_t size) {
  Bytes bytes(size);
  if (BN_bn2binpad(value, bytes.data(), static_cast<int>(size)) < 0) return {};
  return bytes;
}

// OpenSSL checks at import that the point is on the curve; EVP_PKEY_public_check again, and the
// order.
Result<EVP_PKEY*> import(Curve curve, const EcPoint& point, const SecretBytes* scalar) {
  size_t size = coordinate_size(curve);
  if (point.x.size() != size || point.y.size() != size || (scalar && scalar->size() != size)) {
    return make_error(ErrorCode::corrupt, "crypto", "{} key: a number is not {} bytes long",
                      group_name(curve), size);
  }
  Bytes encoded = {4};  // SEC 1 §2.3.3: uncompressed
  encoded.insert(encoded.end(), point.x.begin(), point.x.end());
  encoded.insert(encoded.end(), point.y.begin(), point.y.end());
  BigNumber secret = scalar ? number(scalar->bytes()) : nullptr;

  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group_name(curve), 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(),
                                   encoded.size());
  if (secret) OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, secret.get());
  Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));

  PrivateKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        parameters.get()) != 1) {
    return openssl_error("EC key", ErrorCode::corrupt);
  }
  PrivateKeyHandle owned(key);
  PrivateKeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if ((scalar ? EVP_PKEY_check(check.get()) : EVP_PKEY_public_check(check.get())) != 1) {
    return openssl_error("EC key", ErrorCode::corrupt);
  }
  return owned.release();
}

std::shared_ptr<EVP_PKEY> shared(EVP_PKEY* key) {
  return {key, EVP_PKEY_free};
}

}  // namespace

std::string_view to_string(Curve curve) {
  return group_name(curve);
}

Result<EcKey> EcKey::generate(Curve curve) {
  EVP_PKEY* key = EVP_EC_gen(group_name(curve));
  if (!key) return openssl_error("EC key generation");
  return EcKey(curve, shared(key));
}

Result<EcKey> EcKey::from_public(Curve curve, const EcPoint& point) {
  return EcKey(curve, shared(TRY(import(curve, point, nullptr))));
}

Result<EcKey> EcKey::from_private(Curve curve, const SecretBytes& scalar, const EcPoint& point) {
  return EcKey(curve, shared(TRY(import(curve, point, &scalar))));
}

Result<EcKey> EcKey::from_private_pem(const SecretBytes& pem) {
  MemoryBio bio(BIO_new_mem_buf(pem.bytes().data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  if (!key) return openssl_error("private key: not PEM", ErrorCode::corrupt);
  return adopt(key);
}

Result<EcKey> EcKey::adopt(EVP_PKEY* key) {
  std::shared_ptr<EVP_PKEY> owned = shared(key);
  char name[32] = "";
  size_t size = 0;
  if (!key || EVP_PKEY_get_group_name(key, name, sizeof name, &size) != 1) {
    ERR_clear_error();
    return make_error(ErrorCode::unsupported, "crypto", "key is not on an elliptic curve");
  }
  std::string_view group(name, size);
  if (group == "prime256v1" || group == "P-256") return EcKey(Curve::p256, owned);
  if (group == "secp384r1" || group == "P-384") return EcKey(Curve::p384, owned);
  if (group == "secp521r1" || group == "P-521") return EcKey(Curve::p521, owned);
  return make_error(ErrorCode::unsupported, "crypto", "curve {}: only P-256, P-384 and P-521",
                    group);
}

EcPoint EcKey::point() const {
  BIGNUM *x = nullptr, *y = nullptr;
  EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, &x);
  EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, &y);
  BigNumber own_x(x), own_y(y);
  size_t size = coordinate_size(curve_);
  return {padded(x, size), padded(y, size)};
}

Result<SecretBytes> EcKey::private_pem() const {
  MemoryBio bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
      1) {
    return openssl_error("private key: PEM");
  }
  char* text = nullptr;
  long size = BIO_get_mem_data(bio.get(), &text);
  return SecretBytes(ByteView(reinterpret_cast<const uint8_t*>(text), static_cast<size_t>(size)));
}

Result<SecretBytes> EcKey::shared_secret(const EcKey& peer) const {
  PrivateKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  size_t size = coordinate_size(curve_);
  SecretBytes secret(size);
  if (EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.handle()) != 1 ||
      EVP_PKEY_derive(context.get(), secret.mutable_bytes().data(), &size) != 1 ||
      size != secret.size()) {
    return openssl_error("ECDH");
  }
  return secret;
}

Result<EcdsaSignature> EcKey::sign(HashKind hash, ByteView message) const {
  DigestContext context(EVP_MD_CTX_new());
  Bytes der(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
  size_t size = der.size();
  if (EVP_DigestSignInit(context.get(), nullptr, digest_of(hash), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) != 1) {
    return openssl_error("ECDSA signature");
  }
  const uint8_t* cursor = der.data();
  Signature parsed(d2i_ECDSA_SIG(nullptr, &cursor, static_cast<long>(size)));
  if (!parsed) return openssl_error("ECDSA signature");
  size_t width = coordinate_size(curve_);
  return EcdsaSignature{padded(ECDSA_SIG_get0_r(parsed.get()), width),
                        padded(ECDSA_SIG_get0_s(parsed.get()), width)};
}

bool EcKey::verify(HashKind hash, ByteView message, const EcdsaSignature& signature) const {
  Signature parsed(ECDSA_SIG_new());
  if (ECDSA_SIG_set0(parsed.get(), number(signature.r).release(), number(signature.s).release()) !=
      1)
    return false;
  uint8_t* der = nullptr;
  int size = i2d_ECDSA_SIG(parsed.get(), &der);
  if (size <= 0) return false;
  DigestContext context(EVP_MD_CTX_new());
  bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, digest_of(hash), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), der, static_cast<size_t>(size), message.data(),
                       message.size()) == 1;
  OPENSSL_free(der);
  ERR_clear_error();
  return good;
}

}  // namespace bartizan::crypto
