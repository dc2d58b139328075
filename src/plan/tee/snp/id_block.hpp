// ID block and ID authentication information (SNP firmware ABI, 8.17.3 and chapter 10): what the
// owner of a guest demands of its launch, and the signatures over it.
#pragma once

#include <array>
#include <optional>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/ec.hpp"
#include "crypto/hash.hpp"
#include "plan/tee/launch_plan.hpp"

namespace bartizan::plan::tee::snp {

constexpr size_t kIdBlockBytes = 96;
constexpr size_t kIdAuthBytes = 4096;
// curve number, then coordinates of 72 bytes, little endian
constexpr size_t kPublicKeyBytes = 1028;
constexpr size_t kSignatureBytes = 512;  // r and s of 72 bytes, little endian

using IdBlockBytes = std::array<uint8_t, kIdBlockBytes>;

struct IdBlockFields {
  crypto::Sha384Digest launch_digest{};
  std::array<uint8_t, 16> family_id{}, image_id{};
  uint32_t guest_svn = 0;
  uint64_t policy = kDefaultSnpPolicy;
};

IdBlockBytes id_block(const IdBlockFields& fields);

// Keys are P-384, else invalid_argument.
Result<Bytes> public_key_bytes(const crypto::EcKey& key);
Result<crypto::Sha384Digest> key_digest(const crypto::EcKey& key);  // as in the report
Bytes signature_bytes(const crypto::EcdsaSignature& signature);
Result<Bytes> sign(const crypto::EcKey& key, ByteView message);

// Whether authentication bytes name an author key beside the ID key.
bool has_author_key(ByteView id_auth);

// 4096 bytes. A signature is kSignatureBytes, a public key kPublicKeyBytes; the author's may both
// be empty.
Bytes id_auth(ByteView block_signature, ByteView id_key, ByteView id_key_signature,
              ByteView author_key);

// Signs the block with the ID key and the ID key with the author's.
Result<Bytes> id_auth(const IdBlockBytes& block, const crypto::EcKey& id_key,
                      const std::optional<crypto::EcKey>& author_key);

}  // namespace bartizan::plan::tee::snp
