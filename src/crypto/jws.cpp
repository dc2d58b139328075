#include "crypto/jws.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/ec.hpp"
#include "crypto/ed25519.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {
namespace {

constexpr size_t kEd25519Signature = 64;

Error not_signed(std::string_view expected, std::string_view got, std::string_view why) {
  return refused("crypto", "signature", std::string(expected), std::string(got), "JWS: {}", why);
}

Result<PrivateKeyHandle> public_key_of(std::string_view pem) {
  MemoryBio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  PrivateKeyHandle key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return openssl_error("public key: not PEM", ErrorCode::corrupt);
  return key;
}

Result<PrivateKeyHandle> private_key_of(const SecretBytes& pem) {
  MemoryBio bio(BIO_new_mem_buf(pem.bytes().data(), static_cast<int>(pem.size())));
  PrivateKeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return openssl_error("private key: not plain PEM", ErrorCode::corrupt);
  return key;
}

Result<EcKey> ec_key_of(EVP_PKEY* key) {
  EVP_PKEY_up_ref(key);
  return EcKey::adopt(key);
}

Result<std::string> algorithm_of(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) return std::string("EdDSA");
  auto curve = ec_key_of(key);
  if (curve.ok() && curve->curve() == Curve::p256) return std::string("ES256");
  if (curve.ok() && curve->curve() == Curve::p384) return std::string("ES384");
  return make_error(ErrorCode::unsupported, "crypto",
                    "key for JWS: neither on P-256 or P-384 nor of Ed25519");
}

HashKind hash_of(Curve curve) {
  return curve == Curve::p384 ? HashKind::sha384 : HashKind::sha256;
}

std::string url64(std::string_view text) {
  return to_base64(as_bytes(text), Base64::url);
}

struct JwsParts {
  std::string_view header, payload, signature, signed_part;
};

Result<JwsParts> split(std::string_view jws) {
  const size_t first = jws.find('.'), last = jws.rfind('.');
  if (jws.size() > kMaxJwsBytes || first == jws.npos || first == last ||
      jws.find('.', first + 1) != last)
    return make_error(ErrorCode::corrupt, "crypto", "JWS: not three parts of at most {} bytes",
                      kMaxJwsBytes);
  return JwsParts{jws.substr(0, first), jws.substr(first + 1, last - first - 1),
                  jws.substr(last + 1), jws.substr(0, last)};
}

Result<std::string> text_of(std::string_view part) {
  Bytes bytes = TRY(from_base64(part, Base64::url));
  return std::string(as_text(bytes));
}

// Exactly these two members: "crit" and keys in headers ask for what is not done here.
Result<void> check_header(std::string_view part, std::string_view algorithm,
                          std::string_view type) {
  const Json header = TRY(parse_json(TRY(text_of(part)), "JWS header"));
  const Json expected = {{"alg", algorithm}, {"typ", type}};
  if (header == expected) return {};
  return not_signed(expected.dump(), header.dump().substr(0, 200), "header is another");
}

bool verify_ec(const EcKey& key, std::string_view signed_part, ByteView raw) {
  const size_t size = coordinate_size(key.curve());
  if (raw.size() != 2 * size) return false;
  return key.verify(hash_of(key.curve()), as_bytes(signed_part),
                    {Bytes(raw.begin(), raw.begin() + static_cast<long>(size)),
                     Bytes(raw.begin() + static_cast<long>(size), raw.end())});
}

bool verify_ed25519(EVP_PKEY* key, std::string_view signed_part, ByteView raw) {
  DigestContext context(EVP_MD_CTX_new());
  const bool good = raw.size() == kEd25519Signature && context &&
                    EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), raw.data(), raw.size(),
                                     reinterpret_cast<const uint8_t*>(signed_part.data()),
                                     signed_part.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

Result<std::string> jws_sign(const SecretBytes& private_key_pem, std::string_view type,
                             std::string_view payload) {
  const PrivateKeyHandle key = TRY(private_key_of(private_key_pem));
  const std::string algorithm = TRY(algorithm_of(key.get()));
  const Json header = {{"alg", algorithm}, {"typ", type}};
  const std::string signed_part = url64(header.dump()) + "." + url64(payload);
  Bytes raw;
  if (algorithm == "EdDSA") {
    raw = TRY(ed25519_sign(private_key_pem, as_bytes(signed_part)));
  } else {
    const EcKey ec = TRY(ec_key_of(key.get()));
    EcdsaSignature signature = TRY(ec.sign(hash_of(ec.curve()), as_bytes(signed_part)));
    raw = std::move(signature.r);
    raw.insert(raw.end(), signature.s.begin(), signature.s.end());
  }
  return signed_part + "." + to_base64(raw, Base64::url);
}

Result<std::string> jws_verify(std::string_view public_key_pem, std::string_view type,
                               std::string_view jws) {
  const PrivateKeyHandle key = TRY(public_key_of(public_key_pem));
  const std::string algorithm = TRY(algorithm_of(key.get()));
  const JwsParts parts = TRY(split(jws));
  TRY(check_header(parts.header, algorithm, type));
  const Bytes raw = TRY(from_base64(parts.signature, Base64::url));
  const bool good = algorithm == "EdDSA"
                        ? verify_ed25519(key.get(), parts.signed_part, raw)
                        : verify_ec(TRY(ec_key_of(key.get())), parts.signed_part, raw);
  if (!good) return not_signed("a signature by the registered key", "another", "not signed by it");
  return text_of(parts.payload);
}

Result<std::string> jws_unverified_payload(std::string_view jws) {
  return text_of(TRY(split(jws)).payload);
}

Result<std::string> jws_algorithm(std::string_view public_key_pem) {
  return algorithm_of(TRY(public_key_of(public_key_pem)).get());
}

}  // namespace bartizan::crypto
