// Elliptic-curve keys over OpenSSL: ECDH and ECDSA on P-256, P-384 and P-521. A key is drawn, or
// made from coordinates that are checked to lie on the curve. The private part never leaves the
// object, except as PEM in SecretBytes.
#pragma once

#include <memory>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "crypto/hash.hpp"

typedef struct evp_pkey_st EVP_PKEY;  // NOLINT: OpenSSL's own name

namespace bartizan::crypto {

enum class Curve { p256, p384, p521 };
constexpr size_t coordinate_size(Curve curve) {
  return curve == Curve::p256 ? 32 : curve == Curve::p384 ? 48 : 66;
}
// "P-256", "P-384", "P-521" (RFC 7518 §6.2.1.1).
std::string_view to_string(Curve curve);

// Big endian, coordinate_size() bytes each.
struct EcPoint {
  Bytes x, y;
};
struct EcdsaSignature {
  Bytes r, s;
};

// Shared and immutable: copies are cheap, const calls may come from any thread.
class EcKey {
 public:
  static Result<EcKey> generate(Curve curve);
  // corrupt: not a point of the curve (an invalid-curve point would leak the other side's private
  // key).
  static Result<EcKey> from_public(Curve curve, const EcPoint& point);
  static Result<EcKey> from_private(Curve curve, const SecretBytes& scalar, const EcPoint& point);
  static Result<EcKey> from_private_pem(const SecretBytes& pem);
  static Result<EcKey> adopt(EVP_PKEY* key);  // takes one reference; unsupported: another curve

  Curve curve() const { return curve_; }
  EcPoint point() const;
  Result<SecretBytes> private_pem() const;

  Result<SecretBytes> shared_secret(const EcKey& peer) const;  // ECDH: the x coordinate
  Result<EcdsaSignature> sign(HashKind hash, ByteView message) const;
  bool verify(HashKind hash, ByteView message, const EcdsaSignature& signature) const;

  EVP_PKEY* handle() const { return key_.get(); }  // borrowed; for X.509 and TLS

 private:
  EcKey(Curve curve, std::shared_ptr<EVP_PKEY> key) : curve_(curve), key_(std::move(key)) {}
  Curve curve_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace bartizan::crypto
