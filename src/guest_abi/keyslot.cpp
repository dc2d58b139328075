#include "guest_abi/keyslot.hpp"

#include <algorithm>
#include <string>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "crypto/aes_xts.hpp"
#include "crypto/hash.hpp"

namespace bartizan::guest_abi {
namespace {

Result<crypto::HashKind> hash_kind(std::string_view name) {
  if (name == "sha256") return crypto::HashKind::sha256;
  if (name == "sha512") return crypto::HashKind::sha512;
  return make_error(ErrorCode::unsupported, "guest_abi/keyslot", "hash \"{}\" is not known", name);
}

// One round of the anti-forensic diffuser: the block is cut into pieces of the hash's size, and
// each is replaced by H(big-endian piece number || piece), cut to the piece's length.
void diffuse(std::span<uint8_t> block, crypto::HashKind kind, size_t digest_size) {
  for (size_t at = 0, number = 0; at < block.size(); at += digest_size, ++number) {
    auto piece = block.subspan(at, std::min(digest_size, block.size() - at));
    const uint8_t prefix[4] = {static_cast<uint8_t>(number >> 24),
                               static_cast<uint8_t>(number >> 16),
                               static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
    crypto::Hasher hasher(kind);
    hasher.update(prefix);
    hasher.update(piece);
    SecretBytes digest(hasher.finish());
    std::copy_n(digest.bytes().begin(), piece.size(), piece.begin());
  }
}

// Joins the stripes of an anti-forensic split: XOR and diffuse all but the last, XOR the last.
SecretBytes merge_stripes(ByteView split, size_t key_size, uint32_t stripes,
                          crypto::HashKind kind) {
  const size_t digest_size = kind == crypto::HashKind::sha256 ? 32 : 64;
  SecretBytes key(key_size);
  auto bytes = key.mutable_bytes();
  for (uint32_t stripe = 0; stripe < stripes; ++stripe) {
    for (size_t i = 0; i < key_size; ++i) bytes[i] ^= split[stripe * key_size + i];
    if (stripe + 1 < stripes) diffuse(bytes, kind, digest_size);
  }
  return key;
}

Result<void> check_digest(const Manifest::VolumeKeyDigest& digest, const SecretBytes& volume_key) {
  SecretBytes computed = TRY(crypto::pbkdf2(volume_key.bytes(), digest.salt, digest.iterations,
                                            digest.hash, digest.value.size()));
  if (crypto::equal_constant_time(computed.bytes(), digest.value)) return {};
  // Neither value is shown: the computed one depends on what the disk key opened.
  return refused("guest_abi/keyslot", "disk_key", "", "",
                 "the key does not open the disk's keyslot");
}

}  // namespace

uint64_t keyslot_material_size(const Manifest::Luks2& luks2) {
  // Keyslot areas are encrypted in these sectors, whatever the data segment uses.
  return align_up(uint64_t{luks2.key_bytes} * luks2.keyslot.stripes, kSectorSize);
}

Result<SecretBytes> open_keyslot(const Manifest::Luks2& luks2, ByteView material,
                                 const SecretBytes& disk_key) {
  const auto& slot = luks2.keyslot;
  const uint64_t size = keyslot_material_size(luks2);
  if (slot.size < size || material.size() != size || slot.stripes == 0) {
    return make_error(ErrorCode::corrupt, "guest_abi/keyslot",
                      "keyslot: {} bytes in an area of {}, {} stripes need {}", material.size(),
                      slot.size, slot.stripes, size);
  }
  auto kind = TRY(hash_kind(slot.af_hash));
  SecretBytes slot_key = TRY(
      crypto::pbkdf2(disk_key.bytes(), slot.salt, slot.iterations, slot.kdf_hash, slot.key_bytes));
  auto cipher = TRY(
      crypto::AesXts::create(slot_key.bytes(), kSectorSize, crypto::AesXts::Direction::decrypt));
  SecretBytes split(size);
  TRY(cipher.process(material, split.mutable_bytes(), 0));
  SecretBytes volume_key = merge_stripes(split.bytes(), luks2.key_bytes, slot.stripes, kind);
  TRY(check_digest(luks2.digest, volume_key));
  return volume_key;
}

}  // namespace bartizan::guest_abi
