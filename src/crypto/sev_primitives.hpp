// What the SEV API's certificates and sessions need of OpenSSL and nothing else here uses: HMAC,
// AES-CTR, RSA-PSS with a bare public key.
#pragma once

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/hash.hpp"

namespace bartizan::crypto {

Result<Sha256Digest> hmac_sha256(ByteView key, ByteView message);

// AES-128 in counter mode (SP 800-38A, 6.5): `key` and `iv` have 16 bytes; the same call decrypts.
Result<Bytes> aes_128_ctr(ByteView key, ByteView iv, ByteView from);

struct RsaPublicKey {
  Bytes modulus, exponent;  // big endian
};
// RSASSA-PSS (RFC 8017, 8.1) with MGF1 over the same hash and a salt of the hash's size; the
// signature is big endian and as long as the modulus. False also for a key that is none.
bool rsa_pss_verify(const RsaPublicKey& key, HashKind hash, ByteView message, ByteView signature);

}  // namespace bartizan::crypto
