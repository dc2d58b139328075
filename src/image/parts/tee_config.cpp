#include "image/parts/tee_config.hpp"

#include "base/errors.hpp"
#include "base/json.hpp"
#include "image/parts/krun.hpp"

namespace bartizan::image::parts {
namespace {

constexpr char kOrigin[] = "image/parts";
constexpr size_t kMaxShown = 100;  // of a value in an error
constexpr std::string_view kKeys = "workload_id, cpus, ram_mib, tee, tee_data, attestation_url";

Error wrong(const std::string& key, const Json& value, std::string_view why) {
  const std::string shown =
      value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, kMaxShown);
  return invalid(kOrigin, "tee_config: {} {}: {}", json_quoted(key.substr(0, kMaxShown)), shown,
                 why);
}

Result<void> take_text(const std::string& key, const Json& value, std::optional<std::string>& to) {
  if (!value.is_string()) return wrong(key, value, "must be a string");
  if (!value.get_ref<const std::string&>().empty()) to = value.get<std::string>();
  return {};
}

Result<void> take_number(const std::string& key, const Json& value, uint32_t least, uint32_t most,
                         std::optional<uint32_t>& to) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() < least || value.get<uint64_t>() > most)
    return wrong(key, value, fmt::format("must be a number from {} to {}", least, most));
  to = value.get<uint32_t>();
  return {};
}

Result<void> take_tee(const std::string& key, const Json& value, TeeConfig& to) {
  auto tee = tee_from_string(value.is_string() ? value.get_ref<const std::string&>() : "");
  if (!tee.ok() || *tee == Tee::none || *tee == Tee::simulated)
    return wrong(key, value, "must be one of \"sev\", \"sev-es\", \"snp\", \"tdx\"");
  to.tee = *tee;
  return {};
}

Result<void> take(const std::string& key, const Json& value, TeeConfig& to) {
  if (key == "workload_id") return take_text(key, value, to.workload_id);
  if (key == "attestation_url") return take_text(key, value, to.attestation_url);
  if (key == "tee_data") return take_text(key, value, to.tee_data);
  if (key == "cpus") return take_number(key, value, 1, kMaxVcpus, to.vcpus);
  if (key == "ram_mib") return take_number(key, value, kMinRamMib, kMaxRamMib, to.ram_mib);
  if (key == "tee") return take_tee(key, value, to);
  return wrong(key, value, fmt::format("unknown key; known are {}", kKeys));
}

// What both members say together: "sev" may be SEV-ES by its data.
Result<void> join_tee(TeeConfig& to) {
  if (!to.tee_data) return {};
  KrunConfig config;
  if (to.tee) config.tee = *to.tee == Tee::sev_es ? "sev" : std::string(to_string(*to.tee));
  config.tee_data = *to.tee_data;
  if (to.tee == Tee::sev && tee_of(config).value() == Tee::sev_es) to.tee = Tee::sev_es;
  auto set = set_tee(config, to.tee.value_or(Tee::snp), *to.tee_data);
  if (set.ok()) return {};
  return invalid(kOrigin, "tee_config: {}", set.error().message);
}

}  // namespace

Result<TeeConfig> parse_tee_config(std::string_view text) {
  if (text.size() > kMaxKrunJson)
    return invalid(kOrigin, "tee_config: {} bytes, the limit is {}", text.size(), kMaxKrunJson);
  const Json json = TRY(parse_json(text, "tee_config"));
  if (!json.is_object()) return invalid(kOrigin, "tee_config: not a JSON object");
  TeeConfig config;
  for (const auto& [key, value] : json.items()) TRY(take(key, value, config));
  TRY(join_tee(config));
  return config;
}

}  // namespace bartizan::image::parts
