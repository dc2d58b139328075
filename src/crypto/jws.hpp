// Compact JWS (RFC 7515 §7.1) by ES256 or ES384 (RFC 7518 §3.4) or EdDSA with Ed25519 (RFC 8037
// §3.1), over a payload of a declared type. The key decides about the algorithm, and the header has
// to agree: no header chooses a weaker one, and a signature over one type is none over another.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"

namespace bartizan::crypto {

constexpr size_t kMaxJwsBytes = 8 * 1024;

// `type`: the header's "typ". corrupt: the key is not plain PEM; unsupported: a key of another
// kind.
Result<std::string> jws_sign(const SecretBytes& private_key_pem, std::string_view type,
                             std::string_view payload);

// The payload. For hostile bytes. verification_failed, reason "signature": not signed by this key,
// another type, or another algorithm than the key's; corrupt: no JWS, or no public key.
Result<std::string> jws_verify(std::string_view public_key_pem, std::string_view type,
                               std::string_view jws);
// The payload of whoever signed it. For hostile bytes. corrupt.
Result<std::string> jws_unverified_payload(std::string_view jws);

// "ES256", "ES384" or "EdDSA". corrupt: no PEM of a public key; unsupported: another kind.
Result<std::string> jws_algorithm(std::string_view public_key_pem);

}  // namespace bartizan::crypto
