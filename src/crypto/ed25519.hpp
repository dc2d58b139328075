// Ed25519 signatures (RFC 8032) with a private key that comes as PEM.
#pragma once

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"

namespace bartizan::crypto {

// 64 bytes. corrupt: not PEM, or encrypted; unsupported: a key of another kind.
Result<Bytes> ed25519_sign(const SecretBytes& private_key_pem, ByteView message);

}  // namespace bartizan::crypto
