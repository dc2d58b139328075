#include "image/parts/krun.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::image::parts {
namespace {

constexpr std::string_view kMagic = "KRUN";
constexpr char kWhat[] = "krun-sev.json";
constexpr char kOrigin[] = "image/parts";
constexpr size_t kShownBytes = 100;  // of a text in an error
// libkrun's examples of each (sev-config.json, tdx-config.json), and buildah's words for SNP.
constexpr std::string_view kSnpData = R"({"gen":"milan"})",
                           kOtherData = R"({"attestation_server_pubkey":"","vendor_chain":""})";

// Whether "sev" is SEV-ES by that data. Data that is no JSON says nothing.
bool says_es(const std::string& data) {
  auto json = parse_json(data, "tee_data");
  return json.ok() && json->is_object() && json->value("es", Json()) == Json(true);
}

}  // namespace

Result<Tee> tee_of(const KrunConfig& config) {
  if (config.tee == "sev" && says_es(config.tee_data)) return Tee::sev_es;
  for (Tee tee : {Tee::sev, Tee::snp, Tee::tdx})
    if (config.tee == to_string(tee)) return tee;
  return make_error(ErrorCode::corrupt, kOrigin, "{}: tee \"{}\": not one of sev, snp, tdx", kWhat,
                    config.tee);
}

Result<void> set_tee(KrunConfig& config, Tee tee, std::string_view data) {
  if (tee == Tee::none || tee == Tee::simulated)
    return invalid(kOrigin, "tee \"{}\": an image is for one of sev, sev-es, snp, tdx",
                   to_string(tee));
  auto json = parse_json(data.empty() ? (tee == Tee::snp ? kSnpData : kOtherData) : data, "");
  if (!json.ok() || !json->is_object())
    return invalid(kOrigin, "tee_data \"{}\": not a JSON object", data.substr(0, kShownBytes));
  if (tee == Tee::sev_es) json->emplace("es", true);
  config.tee = tee == Tee::sev_es ? "sev" : std::string(to_string(tee));
  const bool changed = data.empty() || tee == Tee::sev_es;
  config.tee_data = changed ? TRY(canonical_json(*json)) : std::string(data);
  auto said = tee_of(config);
  if (said.ok() && *said == tee) return {};
  return invalid(kOrigin, "tee_data \"{}\": is not that of TEE {}", data.substr(0, kShownBytes),
                 to_string(tee));
}

Result<std::string> krun_json(const KrunConfig& config) {
  return canonical_json({{"tee", config.tee},
                         {"tee_data", config.tee_data},
                         {"workload_id", config.workload_id},
                         {"cpus", config.vcpus},
                         {"ram_mib", config.ram_mib},
                         {"attestation_url", config.attestation_url}});
}

Result<KrunConfig> parse_krun_json(std::string_view text) {
  Json json = TRY(parse_json(text, kWhat));
  KrunConfig config;
  config.workload_id = TRY(json_string(json, "workload_id", kWhat));
  config.attestation_url = TRY(json_string(json, "attestation_url", kWhat));
  config.tee = TRY(json_string(json, "tee", kWhat));
  config.tee_data = TRY(json_string(json, "tee_data", kWhat));
  uint64_t vcpus = TRY(json_unsigned(json, "cpus", kWhat)),
           ram_mib = TRY(json_unsigned(json, "ram_mib", kWhat));
  constexpr uint64_t kMaxKrunCpus = 255;  // krun-sev.json of any builder has a byte for it
  if (vcpus == 0 || vcpus > kMaxKrunCpus || ram_mib > UINT32_MAX) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {} cpus, {} MiB: out of range", kWhat,
                      vcpus, ram_mib);
  }
  config.vcpus = static_cast<uint32_t>(vcpus);
  config.ram_mib = static_cast<uint32_t>(ram_mib);
  return config;
}

Bytes krun_footer(std::string_view json) {
  Bytes footer(align_up(json.size() + kKrunTrailerBytes, kBlockSize));
  uint8_t* length = footer.data() + footer.size() - 8;
  store_le<uint64_t>(length, json.size());
  uint8_t* magic = length - kMagic.size();
  std::copy(kMagic.begin(), kMagic.end(), magic);
  std::copy(json.begin(), json.end(), magic - json.size());
  return footer;
}

Result<std::string> parse_krun_footer(ByteView tail) {
  auto corrupt = [](std::string_view why) {
    return make_error(ErrorCode::corrupt, kOrigin, "disk.img: KRUN footer: {}", why);
  };
  if (tail.size() < kKrunTrailerBytes) return corrupt("disk is too small");
  uint64_t length = load_le<uint64_t>(tail.data() + tail.size() - 8);
  if (as_text(tail.subspan(tail.size() - kKrunTrailerBytes, 4)) != kMagic)
    return corrupt("missing");
  if (length > kMaxKrunJson || length > tail.size() - kKrunTrailerBytes) {
    return corrupt(fmt::format("its length {} is out of range", length));
  }
  return std::string(as_text(tail.subspan(tail.size() - kKrunTrailerBytes - length, length)));
}

}  // namespace bartizan::image::parts
