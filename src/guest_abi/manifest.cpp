#include "guest_abi/manifest.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::guest_abi {
namespace {

constexpr std::string_view kWhat = "manifest";
// PBKDF2 rounds beyond this come from an attacker who wants the guest busy; a key of full entropy
// needs 1000.
constexpr uint64_t kMaxIterations = 10'000'000;
constexpr uint64_t kMaxSaltBytes = 256;

Error corrupt(std::string_view member, std::string_view why) {
  return make_error(ErrorCode::corrupt, "manifest", "manifest: {}: {}", member, why);
}

Result<uint64_t> number(const Json& object, std::string_view key, uint64_t least, uint64_t most) {
  uint64_t value = TRY(json_unsigned(object, key, kWhat));
  if (value < least || value > most)
    return corrupt(key, fmt::format("{} is outside {}..{}", value, least, most));
  return value;
}

Result<uint64_t> offset_of(const Json& object, std::string_view key, uint64_t most) {
  uint64_t value = TRY(number(object, key, 0, most));
  if (value % kBlockSize != 0)
    return corrupt(key, fmt::format("{} is not a multiple of {}", value, kBlockSize));
  return value;
}

Result<Bytes> hex(const Json& object, std::string_view key, size_t least, size_t most) {
  std::string text = TRY(json_string(object, key, kWhat));
  auto bytes = from_hex(text);
  if (!bytes.ok() || bytes->size() < least || bytes->size() > most || to_hex(*bytes) != text) {
    return corrupt(key, "not lower-case hex of the right length");
  }
  return std::move(*bytes);
}

Result<std::string> one_of(const Json& object, std::string_view key,
                           std::initializer_list<std::string_view> choices) {
  std::string value = TRY(json_string(object, key, kWhat));
  for (std::string_view choice : choices) {
    if (value == choice) return value;
  }
  return make_error(ErrorCode::unsupported, "manifest", "manifest: {}: \"{}\" is not supported",
                    key, value);
}

Result<Manifest::Keyslot> parse_keyslot(const Json& json, uint64_t segment_offset) {
  Manifest::Keyslot slot;
  slot.offset = TRY(offset_of(json, "offset", segment_offset));
  slot.size = TRY(offset_of(json, "size", segment_offset - slot.offset));
  slot.stripes = static_cast<uint32_t>(TRY(number(json, "stripes", 1, 4000)));
  slot.af_hash = TRY(one_of(json, "af_hash", {"sha256", "sha512"}));
  slot.cipher = TRY(one_of(json, "cipher", {"aes-xts-plain64"}));
  slot.key_bytes = static_cast<uint32_t>(TRY(number(json, "key_bytes", 32, 64)));
  slot.kdf = TRY(one_of(json, "kdf", {"pbkdf2"}));
  slot.kdf_hash = TRY(one_of(json, "kdf_hash", {"sha256", "sha512"}));
  slot.iterations = static_cast<uint32_t>(TRY(number(json, "iterations", 1, kMaxIterations)));
  slot.salt = TRY(hex(json, "salt", 8, kMaxSaltBytes));
  return slot;
}

Result<Manifest::Luks2> parse_luks2(const Json& json, uint64_t data_end) {
  Manifest::Luks2 luks2;
  luks2.offset = TRY(offset_of(json, "offset", data_end));
  luks2.size = TRY(offset_of(json, "size", data_end - luks2.offset));
  luks2.cipher = TRY(one_of(json, "cipher", {"aes-xts-plain64"}));
  luks2.key_bytes = static_cast<uint32_t>(TRY(number(json, "key_bytes", 32, 64)));
  luks2.sector_size = static_cast<uint32_t>(TRY(number(json, "sector_size", 512, 4096)));
  if ((luks2.sector_size & (luks2.sector_size - 1)) != 0)
    return corrupt("sector_size", "not a power of two");
  luks2.keyslot = TRY(parse_keyslot(*TRY(json_member(json, "keyslot", kWhat)), luks2.offset));
  const Json& digest = *TRY(json_member(json, "digest", kWhat));
  luks2.digest.hash = TRY(one_of(digest, "hash", {"sha256", "sha512"}));
  luks2.digest.iterations =
      static_cast<uint32_t>(TRY(number(digest, "iterations", 1, kMaxIterations)));
  luks2.digest.salt = TRY(hex(digest, "salt", 8, kMaxSaltBytes));
  luks2.digest.value = TRY(hex(digest, "value", 16, 64));
  return luks2;
}

Result<Manifest::Verity> parse_verity(const Json& json, uint64_t disk_size) {
  Manifest::Verity verity;
  verity.algorithm = TRY(one_of(json, "algorithm", {"sha256"}));
  verity.block_size =
      static_cast<uint32_t>(TRY(number(json, "block_size", kBlockSize, kBlockSize)));
  verity.root_hash = TRY(hex(json, "root_hash", 32, 32));
  verity.salt = TRY(hex(json, "salt", 0, kMaxSaltBytes));
  verity.data_blocks = TRY(number(json, "data_blocks", 1, disk_size / kBlockSize));
  verity.hash_offset = TRY(offset_of(json, "hash_offset", disk_size));
  if (verity.hash_offset < verity.data_blocks * kBlockSize)
    return corrupt("hash_offset", "inside the data");
  return verity;
}

Result<uint64_t> parse_scratch(const Json& json) {
  uint64_t size = TRY(number(json, "size", kMinScratchBytes, kMaxScratchBytes));
  if (size % kScratchUnit != 0)
    return corrupt("scratch", fmt::format("{} is not a multiple of {}", size, kScratchUnit));
  return size;
}

constexpr std::pair<std::string_view, bool HostAccess::*> kHostAccess[] = {
    {"input", &HostAccess::input},
    {"output", &HostAccess::output},
    {"signals", &HostAccess::signals},
    {"broker", &HostAccess::broker}};

Result<HostAccess> parse_host(const Json& json) {
  HostAccess host;
  for (const auto& [name, member] : kHostAccess) {
    if (json.contains(name)) host.*member = TRY(json_bool(json, name, kWhat));
  }
  return host;
}

Json to_json(const HostAccess& host) {
  Json json = Json::object();
  for (const auto& [name, member] : kHostAccess) {
    if (host.*member != HostAccess().*member) json[std::string(name)] = host.*member;
  }
  return json;
}

Json to_json(const Manifest::Luks2& luks2) {
  const auto& slot = luks2.keyslot;
  const auto& digest = luks2.digest;
  return {{"offset", luks2.offset},
          {"size", luks2.size},
          {"cipher", luks2.cipher},
          {"key_bytes", luks2.key_bytes},
          {"sector_size", luks2.sector_size},
          {"keyslot",
           {{"offset", slot.offset},
            {"size", slot.size},
            {"stripes", slot.stripes},
            {"af_hash", slot.af_hash},
            {"cipher", slot.cipher},
            {"key_bytes", slot.key_bytes},
            {"kdf", slot.kdf},
            {"kdf_hash", slot.kdf_hash},
            {"iterations", slot.iterations},
            {"salt", to_hex(slot.salt)}}},
          {"digest",
           {{"hash", digest.hash},
            {"iterations", digest.iterations},
            {"salt", to_hex(digest.salt)},
            {"value", to_hex(digest.value)}}}};
}

Json to_json(const Manifest::Verity& verity) {
  return {{"root_hash", to_hex(verity.root_hash)}, {"salt", to_hex(verity.salt)},
          {"data_blocks", verity.data_blocks},     {"hash_offset", verity.hash_offset},
          {"block_size", verity.block_size},       {"algorithm", verity.algorithm}};
}

Result<Manifest> parse_members(const Json& json) {
  Manifest manifest;
  manifest.workload_id = TRY(json_string(json, "workload_id", kWhat));
  manifest.network = TRY(json_bool(json, "network", kWhat));
  const Json& disk = *TRY(json_member(json, "disk", kWhat));
  manifest.disk_size = TRY(offset_of(disk, "size", uint64_t{1} << 46));
  manifest.filesystem = TRY(one_of(disk, "filesystem", {"erofs"}));
  manifest.verity = TRY(parse_verity(*TRY(json_member(disk, "verity", kWhat)), manifest.disk_size));
  manifest.luks2 = TRY(parse_luks2(*TRY(json_member(disk, "luks2", kWhat)),
                                   manifest.verity.data_blocks * kBlockSize));
  if (json.contains("host"))
    manifest.host = TRY(parse_host(*TRY(json_member(json, "host", kWhat))));
  if (json.contains("scratch"))
    manifest.scratch_bytes = TRY(parse_scratch(*TRY(json_member(json, "scratch", kWhat))));
  if (json.contains("broker")) {
    const Json& broker = *TRY(json_member(json, "broker", kWhat));
    manifest.broker.emplace();
    manifest.broker->url = TRY(json_string(broker, "url", kWhat));
    manifest.broker->ca_pem = TRY(json_string(broker, "ca", kWhat));
    manifest.broker->resource = TRY(json_string(broker, "resource", kWhat));
  }
  return manifest;
}

}  // namespace

Result<HostAccess> host_access_from_string(std::string_view words) {
  HostAccess access{false, false, false, false};
  if (words == "none") return access;
  for (size_t start = 0; start <= words.size();) {
    size_t end = std::min(words.find(',', start), words.size());
    std::string_view word = words.substr(start, end - start);
    bool known = false;
    for (const auto& [name, member] : kHostAccess) {
      if (word == name) known = access.*member = true;
    }
    if (!known) {
      return make_error(ErrorCode::invalid_argument, "manifest",
                        "\"{}\" in \"{}\": must be some of input, output, signals, broker, or none",
                        word, words);
    }
    start = end + 1;
  }
  return access;
}

std::string to_text(const HostAccess& access) {
  std::string text;
  for (const auto& [name, member] : kHostAccess) {
    if (access.*member) text += (text.empty() ? "" : ",") + std::string(name);
  }
  return text.empty() ? "none" : text;
}

Result<Bytes> Manifest::serialize() const {
  Json json = {{"version", kManifestVersion},
               {"workload_id", workload_id},
               {"network", network},
               {"disk",
                {{"size", disk_size},
                 {"filesystem", filesystem},
                 {"luks2", to_json(luks2)},
                 {"verity", to_json(verity)}}}};
  if (broker)
    json["broker"] = {{"url", broker->url}, {"ca", broker->ca_pem}, {"resource", broker->resource}};
  if (host != HostAccess()) json["host"] = to_json(host);
  if (scratch_bytes != 0) json["scratch"] = {{"size", scratch_bytes}};
  std::string text = TRY(canonical_json(json));
  return Bytes(text.begin(), text.end());
}

Result<Manifest> Manifest::parse(ByteView bytes) {
  if (bytes.size() > kMaxManifestBytes) {
    return make_error(ErrorCode::corrupt, "manifest", "manifest: {} bytes, the limit is {}",
                      bytes.size(), kMaxManifestBytes);
  }
  Json json = TRY(parse_json(as_text(bytes), kWhat));
  uint64_t version = TRY(json_unsigned(json, "version", kWhat));
  if (version != kManifestVersion) {
    return make_error(ErrorCode::unsupported, "manifest",
                      "manifest: version {}, this build knows version {}", version,
                      kManifestVersion);
  }
  Manifest manifest = TRY(parse_members(json));
  // One value, one text: this refuses unknown members, other spellings and white space in one
  // comparison.
  Bytes canonical = TRY(manifest.serialize());
  if (!std::equal(bytes.begin(), bytes.end(), canonical.begin(), canonical.end())) {
    return make_error(ErrorCode::corrupt, "manifest",
                      "manifest: not the canonical form of its content");
  }
  return manifest;
}

}  // namespace bartizan::guest_abi
