#include "image/luks2/header.hpp"

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/units.hpp"
#include "image/luks2/cryptsetup.hpp"

namespace bartizan::image::luks2 {
namespace {

constexpr char kOrigin[] = "image/luks2";
// The JSON area of a header that we made is 12 KiB; more than 4 MiB no LUKS2 header can hold.
constexpr size_t kMaxJsonBytes = 4 * kMiB;

Result<void> check(const Cryptsetup& device, int status, std::string_view operation) {
  if (status < 0) return device.error(status, kOrigin, operation);
  return {};
}

Result<void> set_sizes(const Cryptsetup& device) {
  crypt_pbkdf_type pbkdf{};
  pbkdf.type = CRYPT_KDF_PBKDF2;
  pbkdf.hash = "sha256";
  pbkdf.iterations = kLuksIterations;
  pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
  TRY(check(device, crypt_set_pbkdf_type(device.get(), &pbkdf), "crypt_set_pbkdf_type"));
  TRY(check(device,
            crypt_set_metadata_size(device.get(), kLuksMetadataBytes,
                                    kLuksHeaderBytes - 2 * kLuksMetadataBytes),
            "crypt_set_metadata_size"));
  return check(device, crypt_set_data_offset(device.get(), kLuksHeaderBytes / kSectorSize),
               "crypt_set_data_offset");
}

// The guest knows slot 0 alone, from the manifest.
Result<void> add_recovery_slot(const Cryptsetup& device, const LuksHeaderSecrets& secrets) {
  crypt_pbkdf_type pbkdf{};
  pbkdf.type = CRYPT_KDF_ARGON2ID;
  pbkdf.iterations = kRecoveryPasses;
  pbkdf.max_memory_kb = kRecoveryMemoryKib;
  pbkdf.parallel_threads = kRecoveryThreads;
  pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
  TRY(check(device, crypt_set_pbkdf_type(device.get(), &pbkdf), "crypt_set_pbkdf_type argon2id"));
  return check(
      device,
      crypt_keyslot_add_by_volume_key(
          device.get(), 1, reinterpret_cast<const char*>(secrets.volume_key.bytes().data()),
          secrets.volume_key.size(), secrets.recovery.view().data(), secrets.recovery.size()),
      "crypt_keyslot_add_by_volume_key 1");
}

Error corrupt(std::string_view why) {
  return make_error(ErrorCode::corrupt, kOrigin, "LUKS2 header: {}", why);
}

// The first member of an object of numbered things ("keyslots": {"0": …}); a second key slot is the
// recovery passphrase's.
Result<const Json*> first(const Json& json, std::string_view key) {
  const Json* group = TRY(json_member(json, key, "LUKS2 header"));
  if (!group->is_object() || group->empty()) return corrupt(fmt::format("{}: none", key));
  return &*group->begin();
}

// LUKS2 writes 64-bit numbers as decimal strings.
Result<uint64_t> decimal(const Json& json, std::string_view key) {
  std::string text = TRY(json_string(json, key, "LUKS2 header"));
  if (text.empty() || text.size() > 18 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    return corrupt(fmt::format("{}: \"{}\" is not a number", key, text.substr(0, 40)));
  }
  return std::stoull(text);
}

Result<uint32_t> small(const Json& json, std::string_view key) {
  uint64_t value = TRY(json_unsigned(json, key, "LUKS2 header"));
  if (value > UINT32_MAX) return corrupt(fmt::format("{}: {} is out of range", key, value));
  return static_cast<uint32_t>(value);
}

Result<Bytes> base64(const Json& json, std::string_view key) {
  return from_base64(TRY(json_string(json, key, "LUKS2 header")));
}

Result<guest_abi::Manifest::Keyslot> parse_keyslot(const Json& json) {
  guest_abi::Manifest::Keyslot slot;
  const Json& area = *TRY(json_member(json, "area", "LUKS2 header"));
  const Json& kdf = *TRY(json_member(json, "kdf", "LUKS2 header"));
  const Json& split = *TRY(json_member(json, "af", "LUKS2 header"));
  slot.offset = TRY(decimal(area, "offset"));
  slot.size = TRY(decimal(area, "size"));
  slot.cipher = TRY(json_string(area, "encryption", "LUKS2 header"));
  slot.key_bytes = TRY(small(area, "key_size"));
  slot.stripes = TRY(small(split, "stripes"));
  slot.af_hash = TRY(json_string(split, "hash", "LUKS2 header"));
  slot.kdf = TRY(json_string(kdf, "type", "LUKS2 header"));
  if (slot.kdf != "pbkdf2") {
    return make_error(ErrorCode::unsupported, kOrigin, "LUKS2 header: key derivation \"{}\"",
                      slot.kdf.substr(0, 40));
  }
  slot.kdf_hash = TRY(json_string(kdf, "hash", "LUKS2 header"));
  slot.iterations = TRY(small(kdf, "iterations"));
  slot.salt = TRY(base64(kdf, "salt"));
  return slot;
}

Result<guest_abi::Manifest::VolumeKeyDigest> parse_digest(const Json& json) {
  guest_abi::Manifest::VolumeKeyDigest digest;
  digest.hash = TRY(json_string(json, "hash", "LUKS2 header"));
  digest.iterations = TRY(small(json, "iterations"));
  digest.salt = TRY(base64(json, "salt"));
  digest.value = TRY(base64(json, "digest"));
  return digest;
}

}  // namespace

Result<guest_abi::Manifest::Luks2> parse_luks2_json(std::string_view text) {
  if (text.size() > kMaxJsonBytes) return corrupt("its JSON is larger than any header");
  Json json = TRY(parse_json(text, "LUKS2 header"));
  const Json& segment = *TRY(first(json, "segments"));
  guest_abi::Manifest::Luks2 luks2;
  luks2.offset = TRY(decimal(segment, "offset"));
  luks2.cipher = TRY(json_string(segment, "encryption", "LUKS2 header"));
  luks2.sector_size = TRY(small(segment, "sector_size"));
  const Json& slot = *TRY(first(json, "keyslots"));
  luks2.key_bytes = TRY(small(slot, "key_size"));
  luks2.keyslot = TRY(parse_keyslot(slot));
  luks2.digest = TRY(parse_digest(*TRY(first(json, "digests"))));
  return luks2;
}

Result<void> format_luks2(const std::filesystem::path& path, const LuksHeaderSecrets& secrets) {
  Cryptsetup device = TRY(Cryptsetup::open(path));
  TRY(set_sizes(device));
  crypt_params_luks2 params{};
  params.sector_size = kLuksSectorBytes;
  const auto* key = reinterpret_cast<const char*>(secrets.volume_key.bytes().data());
  const size_t key_size = secrets.volume_key.size();
  TRY(check(device,
            crypt_format(device.get(), CRYPT_LUKS2, "aes", "xts-plain64", secrets.uuid.c_str(), key,
                         key_size, &params),
            "crypt_format LUKS2"));
  TRY(check(
      device,
      crypt_keyslot_add_by_volume_key(device.get(), 0, key, key_size,
                                      secrets.disk_key.view().data(), secrets.disk_key.size()),
      "crypt_keyslot_add_by_volume_key"));
  return secrets.recovery.empty() ? Result<void>() : add_recovery_slot(device, secrets);
}

Result<guest_abi::Manifest::Luks2> read_luks2(const std::filesystem::path& path) {
  Cryptsetup device = TRY(Cryptsetup::open(path));
  TRY(check(device, crypt_load(device.get(), CRYPT_LUKS2, nullptr), "crypt_load LUKS2"));
  const char* json = nullptr;
  TRY(check(device, crypt_dump_json(device.get(), &json, 0), "crypt_dump_json"));
  return parse_luks2_json(json);
}

Result<SecretBytes> open_luks2(const std::filesystem::path& path, const SecretBytes& disk_key) {
  Cryptsetup device = TRY(Cryptsetup::open(path));
  TRY(check(device, crypt_load(device.get(), CRYPT_LUKS2, nullptr), "crypt_load LUKS2"));
  SecretBytes key(kVolumeKeyBytes);
  size_t size = key.size();
  int status = crypt_volume_key_get(device.get(), CRYPT_ANY_SLOT,
                                    reinterpret_cast<char*>(key.mutable_bytes().data()), &size,
                                    disk_key.view().data(), disk_key.size());
  if (status == -EPERM || status == -ENOENT) {
    return refused(kOrigin, "disk_key", "", "",
                   "disk: the disk key opens no key slot of the LUKS2 header");
  }
  TRY(check(device, status, "crypt_volume_key_get"));
  if (size != kVolumeKeyBytes) return corrupt(fmt::format("volume key of {} bytes", size));
  return key;
}

}  // namespace bartizan::image::luks2
