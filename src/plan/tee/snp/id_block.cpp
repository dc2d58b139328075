#include "plan/tee/snp/id_block.hpp"

#include <algorithm>

#include "base/errors.hpp"

namespace bartizan::plan::tee::snp {
namespace {

// SNP firmware ABI, table "ID block": digest 0, family 0x30, image 0x40, version 0x50, SVN 0x54,
// policy 0x58.
constexpr uint32_t kIdBlockVersion = 1;

// SNP firmware ABI, table "ID authentication information".
constexpr size_t kIdKeyAlgorithm = 0, kAuthorKeyAlgorithm = 4, kBlockSignature = 0x40,
                 kIdKey = 0x240, kIdKeySignature = 0x680, kAuthorKey = 0x880;
constexpr uint32_t kEcdsaP384Sha384 = 1;
constexpr uint32_t kCurveP384 = 2;
constexpr size_t kNumberBytes = 72;

// Big endian to little endian.
void put_number(ByteView number, uint8_t* to) {
  std::reverse_copy(number.begin(), number.end(), to);
}

void put(Bytes* to, size_t offset, ByteView bytes) {
  std::copy(bytes.begin(), bytes.end(), to->begin() + static_cast<ptrdiff_t>(offset));
}

Result<void> check_curve(const crypto::EcKey& key) {
  if (key.curve() == crypto::Curve::p384) return {};
  return make_error(ErrorCode::invalid_argument, "tee/id_block",
                    "key for an ID block: not on the curve P-384");
}

}  // namespace

IdBlockBytes id_block(const IdBlockFields& fields) {
  IdBlockBytes block{};
  std::ranges::copy(fields.launch_digest, &block[0]);
  std::ranges::copy(fields.family_id, &block[0x30]);
  std::ranges::copy(fields.image_id, &block[0x40]);
  store_le(&block[0x50], kIdBlockVersion);
  store_le(&block[0x54], fields.guest_svn);
  store_le(&block[0x58], fields.policy);
  return block;
}

Result<Bytes> public_key_bytes(const crypto::EcKey& key) {
  TRY(check_curve(key));
  Bytes bytes(kPublicKeyBytes);
  store_le(bytes.data(), kCurveP384);
  const auto point = key.point();
  put_number(point.x, &bytes[4]);
  put_number(point.y, &bytes[4 + kNumberBytes]);
  return bytes;
}

Result<crypto::Sha384Digest> key_digest(const crypto::EcKey& key) {
  return crypto::sha384(TRY(public_key_bytes(key)));
}

Bytes signature_bytes(const crypto::EcdsaSignature& signature) {
  Bytes bytes(kSignatureBytes);
  put_number(signature.r, bytes.data());
  put_number(signature.s, &bytes[kNumberBytes]);
  return bytes;
}

Result<Bytes> sign(const crypto::EcKey& key, ByteView message) {
  TRY(check_curve(key));
  return signature_bytes(TRY(key.sign(crypto::HashKind::sha384, message)));
}

Bytes id_auth(ByteView block_signature, ByteView id_key, ByteView id_key_signature,
              ByteView author_key) {
  Bytes bytes(kIdAuthBytes);
  store_le(&bytes[kIdKeyAlgorithm], kEcdsaP384Sha384);
  if (!author_key.empty()) store_le(&bytes[kAuthorKeyAlgorithm], kEcdsaP384Sha384);
  put(&bytes, kBlockSignature, block_signature);
  put(&bytes, kIdKey, id_key);
  put(&bytes, kIdKeySignature, id_key_signature);
  put(&bytes, kAuthorKey, author_key);
  return bytes;
}

// By the key itself: tools set the algorithm whether or not there is one.
bool has_author_key(ByteView id_auth) {
  return id_auth.size() == kIdAuthBytes && load_le<uint32_t>(id_auth.data() + kAuthorKey) != 0;
}

Result<Bytes> id_auth(const IdBlockBytes& block, const crypto::EcKey& id_key,
                      const std::optional<crypto::EcKey>& author_key) {
  auto public_key = TRY(public_key_bytes(id_key));
  auto block_signature = TRY(sign(id_key, block));
  if (!author_key) return id_auth(block_signature, public_key, {}, {});
  auto key_signature = TRY(sign(*author_key, public_key));
  return id_auth(block_signature, public_key, key_signature, TRY(public_key_bytes(*author_key)));
}

}  // namespace bartizan::plan::tee::snp
