#include "image/parts/krun.hpp"

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::image::parts {
namespace {

constexpr std::string_view kMagic = "KRUN";
constexpr char kWhat[] = "krun-sev.json";

}  // namespace

Result<std::string> krun_json(const KrunConfig& config) {
  return canonical_json({{"tee", "snp"},
                         {"tee_data", R"({"gen":"milan"})"},
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
  uint64_t vcpus = TRY(json_unsigned(json, "cpus", kWhat)),
           ram_mib = TRY(json_unsigned(json, "ram_mib", kWhat));
  constexpr uint64_t kMaxKrunCpus = 255;  // krun-sev.json of any builder has a byte for it
  if (vcpus == 0 || vcpus > kMaxKrunCpus || ram_mib > UINT32_MAX) {
    return make_error(ErrorCode::corrupt, "image/parts", "{}: {} cpus, {} MiB: out of range", kWhat,
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
    return make_error(ErrorCode::corrupt, "image/parts", "disk.img: KRUN footer: {}", why);
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
