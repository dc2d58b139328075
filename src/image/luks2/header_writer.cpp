#include "image/luks2/header_writer.hpp"

#include <argon2.h>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/aes_xts.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::luks2 {
namespace {

constexpr uint64_t kBinaryBytes = 4096;     // before the JSON text in it (LUKS2 On-Disk Format §2)
constexpr uint64_t kKeyslotBytes = 258048;  // kVolumeKeyBytes * kStripes, in blocks of 4096
constexpr size_t kHashBytes = 32;
constexpr char kCipher[] = "aes-xts-plain64";
constexpr char kHash[] = "sha256";

// Diffusion of the anti-forensic splitter (LUKS1 specification §2.4, function H1): each piece is
// replaced by the hash of its number, big endian, and itself.
void diffuse(std::span<uint8_t> block) {
  for (uint32_t number = 0; number * kHashBytes < block.size(); ++number) {
    auto piece = block.subspan(number * kHashBytes, kHashBytes);
    uint8_t input[4 + kHashBytes] = {0, 0, 0, static_cast<uint8_t>(number)};
    std::copy(piece.begin(), piece.end(), input + 4);
    auto digest = crypto::sha256(input);
    std::copy(digest.begin(), digest.end(), piece.begin());
    explicit_bzero(input, sizeof input);
    explicit_bzero(digest.data(), digest.size());
  }
}
static_assert(kVolumeKeyBytes % kHashBytes == 0);

void exclusive_or(std::span<uint8_t> to, ByteView with) {
  for (size_t i = 0; i < to.size(); ++i) to[i] ^= with[i];
}

// All stripes but the last are random; the last makes their diffused sum the key.
SecretBytes split(const SecretBytes& volume_key, const SecretBytes& stripes) {
  SecretBytes material(kStripeBytes + kVolumeKeyBytes);
  auto bytes = material.mutable_bytes();
  std::copy_n(stripes.bytes().begin(), kStripeBytes, bytes.begin());
  SecretBytes sum(kVolumeKeyBytes);
  for (size_t at = 0; at < kStripeBytes; at += kVolumeKeyBytes) {
    exclusive_or(sum.mutable_bytes(), bytes.subspan(at, kVolumeKeyBytes));
    diffuse(sum.mutable_bytes());
  }
  auto last = bytes.subspan(kStripeBytes);
  std::copy_n(volume_key.bytes().begin(), kVolumeKeyBytes, last.begin());
  exclusive_or(last, sum.bytes());
  return material;
}

// OpenSSL has no Argon2 before 3.2: by the library that libcryptsetup uses.
Result<SecretBytes> recovery_key(const LuksHeaderSecrets& secrets) {
  SecretBytes key(kVolumeKeyBytes);
  int status = argon2id_hash_raw(kRecoveryPasses, kRecoveryMemoryKib, kRecoveryThreads,
                                 secrets.recovery.bytes().data(), secrets.recovery.size(),
                                 secrets.recovery_salt.data(), secrets.recovery_salt.size(),
                                 key.mutable_bytes().data(), key.size());
  if (status == ARGON2_OK) return key;
  bool memory = status == ARGON2_MEMORY_ALLOCATION_ERROR || status == ARGON2_THREAD_FAIL;
  return make_error(memory ? ErrorCode::resource_exhausted : ErrorCode::internal, "image/luks2",
                    "Argon2id of the recovery passphrase: {}", argon2_error_message(status));
}

Result<void> write_keyslot(const SecretBytes& key, const SecretBytes& material,
                           std::span<uint8_t> area) {
  auto cipher =
      TRY(crypto::AesXts::create(key.bytes(), kSectorSize, crypto::AesXts::Direction::encrypt));
  return cipher.process(material.bytes(), area.first(material.size()), 0);
}

Json disk_kdf(const LuksHeaderSecrets& secrets) {
  return {{"type", "pbkdf2"},
          {"hash", kHash},
          {"iterations", kLuksIterations},
          {"salt", to_base64(secrets.keyslot_salt)}};
}

Json recovery_kdf(const LuksHeaderSecrets& secrets) {
  return {{"type", "argon2id"},
          {"time", kRecoveryPasses},
          {"memory", kRecoveryMemoryKib},
          {"cpus", kRecoveryThreads},
          {"salt", to_base64(secrets.recovery_salt)}};
}

// Areas follow each other by number.
Json keyslot_json(uint32_t number, const Json& kdf) {
  return {{"type", "luks2"},
          {"key_size", kVolumeKeyBytes},
          {"af", {{"type", "luks1"}, {"stripes", kStripes}, {"hash", kHash}}},
          {"area",
           {{"type", "raw"},
            {"offset", std::to_string(2 * kLuksMetadataBytes + number * kKeyslotBytes)},
            {"size", std::to_string(kKeyslotBytes)},
            {"encryption", kCipher},
            {"key_size", kVolumeKeyBytes}}},
          {"kdf", kdf}};
}

// §3: keyslots, tokens, segments, digests, config.
Result<std::string> metadata_json(const LuksHeaderSecrets& secrets) {
  SecretBytes digest = TRY(crypto::pbkdf2(secrets.volume_key.bytes(), secrets.digest_salt,
                                          kLuksIterations, kHash, kHashBytes));
  Json slots = {{"0", keyslot_json(0, disk_kdf(secrets))}}, names = Json::array({"0"});
  if (!secrets.recovery.empty()) {
    slots["1"] = keyslot_json(1, recovery_kdf(secrets));
    names.push_back("1");
  }
  Json segment = {{"type", "crypt"},       {"offset", std::to_string(kLuksHeaderBytes)},
                  {"size", "dynamic"},     {"iv_tweak", "0"},
                  {"encryption", kCipher}, {"sector_size", kLuksSectorBytes}};
  Json digest_json = {{"type", "pbkdf2"},
                      {"keyslots", names},
                      {"segments", Json::array({"0"})},
                      {"hash", kHash},
                      {"iterations", kLuksIterations},
                      {"salt", to_base64(secrets.digest_salt)},
                      {"digest", to_base64(digest.bytes())}};
  return canonical_json(
      {{"keyslots", slots},
       {"tokens", Json::object()},
       {"segments", {{"0", segment}}},
       {"digests", {{"0", digest_json}}},
       {"config",
        {{"json_size", std::to_string(kLuksMetadataBytes - kBinaryBytes)},
         {"keyslots_size", std::to_string(kLuksHeaderBytes - 2 * kLuksMetadataBytes)}}}});
}

template <typename T>
void store_big_endian(std::span<uint8_t> to, T value) {
  for (size_t i = 0; i < sizeof value; ++i)
    to[i] = static_cast<uint8_t>(value >> (8 * (sizeof value - 1 - i)));
}

// §2.1, struct luks2_hdr_disk, with the JSON text behind it.
void write_copy(std::span<uint8_t> area, bool primary, std::string_view json,
                const LuksHeaderSecrets& secrets) {
  constexpr size_t kChecksum = 448;
  auto put = [&area](size_t at, ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), area.begin() + static_cast<ptrdiff_t>(at));
  };
  put(0, as_bytes(primary ? "LUKS\xba\xbe" : "SKUL\xba\xbe"));
  store_big_endian<uint16_t>(area.subspan(6), 2);                   // version
  store_big_endian<uint64_t>(area.subspan(8), kLuksMetadataBytes);  // size of this copy
  store_big_endian<uint64_t>(area.subspan(16), 1);                  // how often it was written
  put(72, as_bytes(kHash));
  put(104, primary ? secrets.primary_salt : secrets.secondary_salt);
  put(168, as_bytes(secrets.uuid));
  store_big_endian<uint64_t>(area.subspan(256), primary ? 0 : kLuksMetadataBytes);  // where it is
  put(kBinaryBytes, as_bytes(json));
  put(kChecksum, crypto::sha256(area));  // over the copy with zeros in its place
}

}  // namespace

Result<Bytes> make_luks2_header(const LuksHeaderSecrets& secrets) {
  std::string json = TRY(metadata_json(secrets));
  if (json.size() >= kLuksMetadataBytes - kBinaryBytes)
    return make_error(ErrorCode::internal, "image/luks2", "LUKS2 header: metadata does not fit");
  Bytes header(kLuksHeaderBytes);
  auto area = std::span(header);
  write_copy(area.first(kLuksMetadataBytes), true, json, secrets);
  write_copy(area.subspan(kLuksMetadataBytes, kLuksMetadataBytes), false, json, secrets);
  auto slots = area.subspan(2 * kLuksMetadataBytes);
  SecretBytes key = TRY(crypto::pbkdf2(secrets.disk_key.bytes(), secrets.keyslot_salt,
                                       kLuksIterations, kHash, kVolumeKeyBytes));
  TRY(write_keyslot(key, split(secrets.volume_key, secrets.stripes), slots.first(kKeyslotBytes)));
  if (secrets.recovery.empty()) return header;
  TRY(write_keyslot(TRY(recovery_key(secrets)), split(secrets.volume_key, secrets.recovery_stripes),
                    slots.subspan(kKeyslotBytes, kKeyslotBytes)));
  return header;
}

}  // namespace bartizan::image::luks2
