#include "image/luks2/unlock.hpp"

#include "base/errors.hpp"
#include "base/json.hpp"
#include "image/luks2/cryptsetup.hpp"
#include "image/luks2/luks_info.hpp"

namespace bartizan::image::luks2 {
namespace {

constexpr char kOrigin[] = "image/luks2";
constexpr std::string_view kOnlyCipher = "aes-xts-plain64";
// cryptsetup chooses what takes two seconds on the machine that formats, some millions; all slots
// may be tried. Beyond this a header wants our processor for hours.
constexpr uint64_t kMaxPbkdf2Iterations = 100'000'000;
// cryptsetup takes 1 GiB at most, and passes over it that take two seconds.
constexpr uint64_t kMaxArgonKib = 1024 * 1024, kMaxArgonKibPasses = 64 * kMaxArgonKib;
constexpr size_t kMaxKeyBytes = 64;
// struct luks_phdr (LUKS On-Disk Format 1.2, §3): how often the volume key's digest is hashed.
constexpr size_t kDigestIterationsAt = 164;

Error too_much(std::string_view name, std::string_view what, uint64_t value, uint64_t limit) {
  return make_error(ErrorCode::resource_exhausted, kOrigin,
                    "{}: LUKS header: {} {}, the limit is {}", name, what, value, limit);
}

Result<void> check_keyslots(const LuksInfo& info, uint64_t digest_iterations,
                            std::string_view name) {
  uint64_t iterations = digest_iterations, passes = 0;
  for (const LuksKeyslot& slot : info.keyslots) {
    if (slot.kdf == "pbkdf2") {
      iterations += slot.iterations;
      continue;
    }
    if (slot.memory_kib > kMaxArgonKib)
      return too_much(name, "Argon2 memory in KiB", slot.memory_kib, kMaxArgonKib);
    passes += uint64_t{slot.iterations} * slot.memory_kib;
  }
  if (iterations > kMaxPbkdf2Iterations)
    return too_much(name, "iterations of PBKDF2", iterations, kMaxPbkdf2Iterations);
  if (passes > kMaxArgonKibPasses)
    return too_much(name, "KiB times passes of Argon2", passes, kMaxArgonKibPasses);
  return {};
}

Result<uint64_t> digest_iterations_of(const Cryptsetup& device, uint32_t version, ByteView head) {
  if (version == 1) {
    uint64_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | head[kDigestIterationsAt + i];
    return value;
  }
  const char* dump = nullptr;
  if (int status = crypt_dump_json(device.get(), &dump, 0); status < 0)
    return device.error(status, kOrigin, "crypt_dump_json");
  const Json json = TRY(parse_json(dump, "LUKS header"));
  const Json& digests = *TRY(json_member(json, "digests", "LUKS header"));
  uint64_t sum = 0;
  for (const auto& [key, digest] : digests.items())
    sum += TRY(json_unsigned(digest, "iterations", "LUKS header"));
  return sum;
}

Result<LuksSegment> only_segment(const LuksInfo& info, uint64_t disk_bytes, std::string_view name) {
  auto unsupported = [name](std::string_view what, std::string_view value) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "{}: LUKS header: {} \"{}\", and what can be read is {}", name, what, value,
                      kOnlyCipher);
  };
  if (info.segments.size() != 1 || info.segments.front().type != "crypt")
    return unsupported("segments", std::to_string(info.segments.size()));
  LuksSegment segment = info.segments.front();
  if (segment.cipher != kOnlyCipher) return unsupported("cipher", segment.cipher);
  if (!segment.integrity.empty()) return unsupported("integrity", segment.integrity);
  if (segment.offset >= disk_bytes)
    return make_error(ErrorCode::corrupt, kOrigin,
                      "{}: LUKS header: data at byte {} of a disk of {}", name, segment.offset,
                      disk_bytes);
  const uint64_t there = disk_bytes - segment.offset;
  if (segment.size == 0 || segment.size > there) segment.size = there;
  segment.size -= segment.size % segment.sector_size;
  return segment;
}

Result<SecretBytes> volume_key(const Cryptsetup& device, const SecretBytes& passphrase,
                               std::string_view name) {
  SecretBytes space(kMaxKeyBytes);
  size_t size = space.size();
  const int status = crypt_volume_key_get(device.get(), CRYPT_ANY_SLOT,
                                          reinterpret_cast<char*>(space.mutable_bytes().data()),
                                          &size, passphrase.view().data(), passphrase.size());
  if (status == -EPERM || status == -ENOENT)
    return refused(kOrigin, "source_passphrase", "", "",
                   "source_passphrase: wrong, opens no key slot of {}", name);
  if (status < 0) return device.error(status, kOrigin, "crypt_volume_key_get");
  return SecretBytes(space.bytes().first(std::min(size, space.size())));
}

}  // namespace

Result<LuksPayload> unlock_luks(const std::filesystem::path& disk, ByteView head,
                                uint64_t disk_bytes, const SecretBytes& passphrase,
                                std::string_view name) {
  const LuksInfo info = TRY(read_luks(head, disk_bytes, name));
  const LuksSegment segment = TRY(only_segment(info, disk_bytes, name));
  Cryptsetup device = TRY(Cryptsetup::open(disk));
  const int status =
      crypt_load(device.get(), info.version == 1 ? CRYPT_LUKS1 : CRYPT_LUKS2, nullptr);
  if (status < 0) return device.error(status, kOrigin, "crypt_load");
  TRY(check_keyslots(info, TRY(digest_iterations_of(device, info.version, head)), name));
  if (crypt_get_iv_offset(device.get()) != 0)
    return make_error(ErrorCode::unsupported, kOrigin, "{}: LUKS header: a shifted IV", name);
  if (info.key_bytes > kMaxKeyBytes)
    return make_error(ErrorCode::unsupported, kOrigin, "{}: LUKS header: a key of {} bytes", name,
                      info.key_bytes);
  LuksPayload payload;
  payload.volume_key = TRY(volume_key(device, passphrase, name));
  payload.offset = segment.offset;
  payload.size = segment.size;
  payload.sector_size = segment.sector_size;
  return payload;
}

}  // namespace bartizan::image::luks2
