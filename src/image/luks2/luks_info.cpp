#include "image/luks2/luks_info.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <charconv>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/hash.hpp"
#include "image/luks2/cryptsetup.hpp"

namespace bartizan::image::luks2 {
namespace {

constexpr char kOrigin[] = "image/luks2";
constexpr std::string_view kPrimary = "LUKS\xba\xbe", kSecondary = "SKUL\xba\xbe";
// The sizes of a metadata copy (§2.4), and so the places of the second one.
constexpr uint64_t kCopySizes[] = {0x4000,  0x8000,   0x10000,  0x20000, 0x40000,
                                   0x80000, 0x100000, 0x200000, 0x400000};
// struct luks2_hdr_disk (§2.1)
constexpr size_t kVersionAt = 6, kSizeAt = 8, kSequenceAt = 16, kAlgorithmAt = 72, kOffsetAt = 256,
                 kChecksumAt = 448, kAlgorithmBytes = 32, kChecksumBytes = 64, kBinaryBytes = 4096;

Error corrupt(std::string_view why) {
  return make_error(ErrorCode::corrupt, kOrigin, "LUKS header: {}", why);
}

uint64_t big_endian(ByteView from, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | from[at + i];
  return value;
}

// Text of a fixed field; what follows the first zero does not count.
std::string_view field(ByteView from, size_t at, size_t bytes) {
  std::string_view text = as_text(from.subspan(at, bytes));
  return text.substr(0, text.find('\0'));
}

bool has_magic(ByteView head, uint64_t at, std::string_view magic) {
  return head.size() >= at + kBinaryBytes && as_text(head.subspan(at, magic.size())) == magic;
}

// What is wrong with the copy at `at`; nothing if it is whole.
std::optional<std::string> fault_of(ByteView head, uint64_t at, std::string_view magic) {
  if (!has_magic(head, at, magic)) return "missing";
  ByteView copy = head.subspan(at);
  if (big_endian(copy, kVersionAt, 2) != 2) return "not of version 2";
  uint64_t size = big_endian(copy, kSizeAt, 8);
  if (std::find(std::begin(kCopySizes), std::end(kCopySizes), size) == std::end(kCopySizes))
    return fmt::format("its size {} is none that LUKS2 has", size);
  if (size > copy.size()) return "cut off";
  if (big_endian(copy, kOffsetAt, 8) != at) return "written for another place";
  if (field(copy, kAlgorithmAt, kAlgorithmBytes) != "sha256") return {};  // libcryptsetup judges it
  Bytes whole(copy.begin(), copy.begin() + static_cast<ptrdiff_t>(size));
  std::fill_n(whole.begin() + kChecksumAt, kChecksumBytes, 0);
  auto sum = crypto::sha256(whole);
  if (!std::equal(sum.begin(), sum.end(), copy.begin() + kChecksumAt)) return "wrong checksum";
  return {};
}

// Behind the first copy; where that one's size cannot be believed, at any place that it can have.
std::optional<uint64_t> find_secondary(ByteView head, bool primary_is_whole) {
  if (primary_is_whole) return big_endian(head, kSizeAt, 8);
  for (uint64_t at : kCopySizes) {
    if (!fault_of(head, at, kSecondary)) return at;
  }
  return {};
}

Result<LuksCopies> check_luks2_copies(ByteView head) {
  auto primary = fault_of(head, 0, kPrimary);
  auto at = find_secondary(head, !primary);
  if (!at) return corrupt(fmt::format("primary: {}; no secondary one", *primary));
  auto secondary = fault_of(head, *at, kSecondary);
  if (primary)
    return LuksCopies{2, "primary header: " + *primary + "; read from the secondary one"};
  if (secondary) return LuksCopies{2, "secondary header: " + *secondary};
  uint64_t first = big_endian(head, kSequenceAt, 8),
           second = big_endian(head, *at + kSequenceAt, 8);
  if (first == second) return LuksCopies{2, ""};
  return LuksCopies{2,
                    fmt::format("the two headers have sequence numbers {} and {}", first, second)};
}

Result<UniqueFd> copy_in_memory(ByteView head, uint64_t disk_bytes) {
  UniqueFd copy(::memfd_create("luks-header", MFD_CLOEXEC));
  if (!copy.valid()) return errno_error(errno, kOrigin, "memfd_create");
  TRY(write_exactly(copy.get(), head, 0, "copy of the LUKS header"));
  // Sparse: as long as the disk, as libcryptsetup compares offsets with its size.
  if (::ftruncate(copy.get(), static_cast<off_t>(disk_bytes)) != 0)
    return errno_error(errno, kOrigin, "copy of the LUKS header: ftruncate");
  return copy;
}

std::string text(const char* from) {
  return from ? from : "";
}

LuksKeyslot read_keyslot(crypt_device* device, int number) {
  LuksKeyslot slot;
  slot.number = static_cast<uint32_t>(number);
  slot.unbound = crypt_keyslot_status(device, number) == CRYPT_SLOT_UNBOUND;
  crypt_pbkdf_type pbkdf{};
  if (crypt_keyslot_get_pbkdf(device, number, &pbkdf) == 0) {
    slot.kdf = text(pbkdf.type);
    slot.iterations = pbkdf.iterations;
    if (slot.kdf == CRYPT_KDF_PBKDF2) slot.hash = text(pbkdf.hash);
    if (slot.kdf != CRYPT_KDF_PBKDF2) slot.memory_kib = pbkdf.max_memory_kb;
    if (slot.kdf != CRYPT_KDF_PBKDF2) slot.threads = pbkdf.parallel_threads;
  }
  int key_bytes = crypt_keyslot_get_key_size(device, number);
  if (key_bytes > 0) slot.key_bytes = static_cast<uint32_t>(key_bytes);
  size_t area_key_bytes = 0;
  slot.cipher = text(crypt_keyslot_get_encryption(device, number, &area_key_bytes));
  crypt_keyslot_area(device, number, &slot.offset, &slot.size);
  return slot;
}

std::vector<LuksKeyslot> read_keyslots(crypt_device* device, const char* type) {
  std::vector<LuksKeyslot> slots;
  for (int number = 0; number < crypt_keyslot_max(type); ++number) {
    auto status = crypt_keyslot_status(device, number);
    if (status == CRYPT_SLOT_INVALID || status == CRYPT_SLOT_INACTIVE) continue;
    slots.push_back(read_keyslot(device, number));
  }
  return slots;
}

// Decimal in a string; "dynamic", and what is not a number, is 0.
uint64_t decimal(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return 0;
  const auto& digits = found->get_ref<const std::string&>();
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::string member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

LuksSegment parse_segment(uint32_t number, const Json& json) {
  LuksSegment segment;
  segment.number = number;
  segment.type = member(json, "type");
  segment.offset = decimal(json, "offset");
  segment.size = decimal(json, "size");
  segment.cipher = member(json, "encryption");
  auto sector = json.find("sector_size");
  if (sector != json.end() && sector->is_number_unsigned()) segment.sector_size = *sector;
  auto integrity = json.find("integrity");
  if (integrity != json.end() && integrity->is_object())
    segment.integrity = member(*integrity, "type");
  return segment;
}

// libcryptsetup has no question for these, but gives the JSON that it has judged.
Result<std::vector<LuksSegment>> read_segments(const Cryptsetup& device) {
  const char* dump = nullptr;
  if (int status = crypt_dump_json(device.get(), &dump, 0); status < 0)
    return device.error(status, kOrigin, "crypt_dump_json");
  Json json = TRY(parse_json(dump, "LUKS header"));
  const Json& list = *TRY(json_member(json, "segments", "LUKS header"));
  std::vector<LuksSegment> segments;
  for (const auto& [key, value] : list.items()) {
    uint32_t number = 0;
    std::from_chars(key.data(), key.data() + key.size(), number);
    if (value.is_object()) segments.push_back(parse_segment(number, value));
  }
  std::sort(segments.begin(), segments.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return segments;
}

Result<LuksInfo> describe(const Cryptsetup& device, const LuksCopies& copies) {
  crypt_device* raw = device.get();
  LuksInfo info;
  info.version = copies.version;
  info.remark = copies.remark;
  info.uuid = text(crypt_get_uuid(raw));
  info.label = text(crypt_get_label(raw));
  info.cipher = fmt::format("{}-{}", text(crypt_get_cipher(raw)), text(crypt_get_cipher_mode(raw)));
  info.key_bytes = static_cast<uint32_t>(std::max(0, crypt_get_volume_key_size(raw)));
  info.sector_size = static_cast<uint32_t>(std::max(0, crypt_get_sector_size(raw)));
  info.data_offset = crypt_get_data_offset(raw) * kSectorSize;
  info.keyslots = read_keyslots(raw, copies.version == 1 ? CRYPT_LUKS1 : CRYPT_LUKS2);
  if (copies.version == 1) {
    info.segments = {{0, "crypt", info.data_offset, 0, info.cipher, info.sector_size, ""}};
    return info;
  }
  info.segments = TRY(read_segments(device));
  if (info.segments.empty()) return info;
  info.integrity = info.segments.front().integrity;
  // As the header spells it: "capi:authenc(hmac(sha256),xts(aes))-plain64" is one word.
  if (!info.segments.front().cipher.empty()) info.cipher = info.segments.front().cipher;
  return info;
}

}  // namespace

Result<LuksCopies> check_luks_copies(ByteView head) {
  if (has_magic(head, 0, kPrimary) && big_endian(head, kVersionAt, 2) == 1)
    return LuksCopies{1, ""};
  if (!has_magic(head, 0, kPrimary) && !find_secondary(head, false))
    return corrupt("none at the beginning of the disk");
  return check_luks2_copies(head);
}

Result<LuksInfo> read_luks(ByteView head, uint64_t disk_bytes, std::string_view name) {
  auto in_disk = [name](Error error) {
    error.message = fmt::format("{}: {}", name, error.message);
    return error;
  };
  auto copies = check_luks_copies(head);
  if (!copies.ok()) return in_disk(copies.error());
  UniqueFd copy = TRY(copy_in_memory(head, disk_bytes));
  Cryptsetup device = TRY(Cryptsetup::open(fmt::format("/proc/self/fd/{}", copy.get())));
  int status = crypt_load(device.get(), copies->version == 1 ? CRYPT_LUKS1 : CRYPT_LUKS2, nullptr);
  if (status < 0) {
    Error error = device.error(status, kOrigin, "crypt_load");
    error.code = ErrorCode::corrupt;
    return in_disk(std::move(error));
  }
  return describe(device, *copies);
}

}  // namespace bartizan::image::luks2
