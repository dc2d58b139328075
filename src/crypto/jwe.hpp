// Flattened JWE (RFC 7516 §7.2.2) as the KBS protocol uses it: content under A256GCM, its key under
// ECDH-ES+A256KW (P-256) or RSA-OAEP-256. Also the primitives beneath: Concat KDF (RFC 7518
// §4.6.2), AES key wrap (RFC 3394), AES-GCM.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/units.hpp"
#include "crypto/ec.hpp"

namespace bartizan::crypto {

constexpr std::string_view kJweEcAlgorithm = "ECDH-ES+A256KW";
constexpr std::string_view kJweRsaAlgorithm = "RSA-OAEP-256";
constexpr std::string_view kJweEncryption = "A256GCM";

// A disk key is below 1 KiB; a larger message is not a key but an attempt to fill a guest's memory.
constexpr size_t kMaxJweBytes = 64 * kKiB;

// 32 bytes for ECDH-ES+A256KW from the shared secret.
SecretBytes concat_kdf(const SecretBytes& shared_secret, std::string_view algorithm);
Result<Bytes> aes_key_wrap(const SecretBytes& key_encryption_key, const SecretBytes& key);
Result<SecretBytes> aes_key_unwrap(const SecretBytes& key_encryption_key,
                                   ByteView wrapped);  // corrupt

struct GcmSealed {
  Bytes ciphertext;
  std::array<uint8_t, 16> tag{};
};
Result<GcmSealed> aes_gcm_seal(const SecretBytes& key, ByteView iv, ByteView aad,
                               ByteView plaintext);
Result<SecretBytes> aes_gcm_open(const SecretBytes& key, ByteView iv, ByteView aad,
                                 ByteView ciphertext, ByteView tag);

// The public JWK of an EC P-256 key, with exactly the members that the KBS protocol hashes: alg,
// crv, kty, x, y.
Json ec_public_jwk(const EcKey& key);
// Reads such a JWK. corrupt: a member missing, not a point of P-256.
Result<EcKey> ec_key_from_jwk(const Json& jwk);

// Only the members that count (others such as kid are dropped, as the KBS protocol's typed keys
// do); unsupported: a kind of key that jwe_encrypt cannot serve.
Result<Json> normalize_jwk(const Json& jwk);

// Draws content key, IV and ephemeral key. `jwk`: as from normalize_jwk(). The protected header's
// members come in the order alg, enc, epk {crv, kty, x, y}: CoCo's clients re-encode it to get the
// authenticated data.
Result<Json> jwe_encrypt(const Json& jwk, ByteView plaintext);
// As above with given randomness: the known-answer test's way in.
Result<Json> jwe_encrypt_with(const EcKey& recipient, const EcKey& ephemeral,
                              const SecretBytes& content_key, ByteView iv, ByteView plaintext);

// Uses the protected header's bytes as received. corrupt: malformed; verification_failed reason
// "jwe": wrong key or changed on the way; unsupported: other algorithms.
Result<SecretBytes> jwe_decrypt(const EcKey& recipient, std::string_view json);

}  // namespace bartizan::crypto
