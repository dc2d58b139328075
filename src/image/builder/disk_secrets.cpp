#include "image/builder/disk_secrets.hpp"

#include <functional>

#include "base/errors.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::builder {
namespace {

constexpr size_t kPassphraseRandomBytes = 32;  // 256 bits, written as 64 hex digits
constexpr size_t kVeritySaltBytes = 32;
constexpr size_t kUuidBytes = 16;

// `size` bytes for the purpose that `label` names.
using Source = std::function<Result<SecretBytes>(std::string_view label, size_t size)>;

// RFC 4122 §4.4: version 4, variant 1.
void stamp_uuid(std::span<uint8_t> uuid) {
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
}

std::string uuid_text(ByteView uuid) {
  std::string hex = to_hex(uuid);
  for (size_t dash : {20, 16, 12, 8}) hex.insert(dash, "-");
  return hex;
}

Result<Bytes> public_bytes(const Source& source, std::string_view label, size_t size) {
  SecretBytes bytes = TRY(source(label, size));
  return Bytes(bytes.bytes().begin(), bytes.bytes().end());
}

Result<Bytes> uuid_bytes(const Source& source, std::string_view label) {
  Bytes uuid = TRY(public_bytes(source, label, kUuidBytes));
  stamp_uuid(uuid);
  return uuid;
}

Result<DiskSecrets> take(const Source& source, SecretBytes disk_key) {
  DiskSecrets secrets;
  luks2::LuksHeaderSecrets& luks = secrets.luks;
  luks.disk_key = std::move(disk_key);
  luks.uuid = uuid_text(TRY(uuid_bytes(source, "luks uuid")));
  luks.volume_key = TRY(source("volume key", luks2::kVolumeKeyBytes));
  secrets.verity_salt = TRY(public_bytes(source, "verity salt", kVeritySaltBytes));
  secrets.verity_uuid = TRY(uuid_bytes(source, "verity uuid"));
  return secrets;
}

Result<SecretBytes> draw_disk_key() {
  SecretBytes random = TRY(crypto::random_secret(kPassphraseRandomBytes));
  std::string hex = to_hex(random.bytes());
  SecretBytes disk_key = SecretBytes::from_string(hex);
  explicit_bzero(hex.data(), hex.size());
  return disk_key;
}

// HKDF gives at most 8160 bytes at once: longer material comes in numbered pieces.
Result<SecretBytes> expand(const SecretBytes& key, ByteView salt, std::string_view label,
                           size_t size) {
  constexpr size_t kPiece = 4096;
  SecretBytes all(size);
  for (size_t at = 0, number = 0; at < size; at += kPiece, ++number) {
    size_t part = std::min(kPiece, size - at);
    std::string name = fmt::format("bartizan disk 1, {}, {}", label, number);
    SecretBytes piece = TRY(crypto::hkdf_sha256(key.bytes(), salt, name, part));
    std::copy_n(piece.bytes().begin(), part,
                all.mutable_bytes().begin() + static_cast<ptrdiff_t>(at));
  }
  return all;
}

}  // namespace

Result<DiskSecrets> DiskSecrets::draw(const std::optional<SecretBytes>& disk_key) {
  Source fresh = [](std::string_view, size_t size) { return crypto::random_secret(size); };
  return take(fresh, disk_key ? disk_key->clone() : TRY(draw_disk_key()));
}

Result<DiskSecrets> DiskSecrets::derive(const SecretBytes& disk_key, std::string_view image) {
  auto salt = crypto::sha256(as_bytes(image));
  Source derived = [&](std::string_view label, size_t size) {
    return expand(disk_key, salt, label, size);
  };
  DiskSecrets secrets = TRY(take(derived, disk_key.clone()));
  luks2::LuksHeaderSecrets& luks = secrets.luks;
  luks.stripes = TRY(derived("stripes", luks2::kStripeBytes));
  luks.recovery_stripes = TRY(derived("recovery stripes", luks2::kStripeBytes));
  luks.keyslot_salt = TRY(public_bytes(derived, "keyslot salt", luks2::kLuksSaltBytes));
  luks.recovery_salt = TRY(public_bytes(derived, "recovery salt", luks2::kLuksSaltBytes));
  luks.digest_salt = TRY(public_bytes(derived, "digest salt", luks2::kLuksSaltBytes));
  luks.primary_salt = TRY(public_bytes(derived, "primary salt", luks2::kHeaderSaltBytes));
  luks.secondary_salt = TRY(public_bytes(derived, "secondary salt", luks2::kHeaderSaltBytes));
  return secrets;
}

}  // namespace bartizan::image::builder
