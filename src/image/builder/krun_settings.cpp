#include "image/builder/krun_settings.hpp"

#include "base/endpoint.hpp"
#include "base/errors.hpp"
#include "image/parts/tee_config.hpp"

namespace bartizan::image::builder {
namespace {

constexpr char kOrigin[] = "image/builder";

// In the words of its keys: the person does not know our names of these options.
Result<void> check_texts(const parts::TeeConfig& file) {
  if (file.workload_id && !is_plain_name(*file.workload_id)) {
    return invalid(kOrigin,
                   "tee_config: \"workload_id\" \"{}\": letters, digits, \".\", \"_\" and \"-\" "
                   "only, at most {}; `workload_id` overrides it",
                   file.workload_id->substr(0, kMaxWorkloadId), kMaxWorkloadId);
  }
  if (!file.attestation_url) return {};
  auto endpoint = Endpoint::parse(*file.attestation_url);
  if (endpoint.ok()) return {};
  return invalid(kOrigin, "tee_config: \"attestation_url\" {}; `broker_url` overrides it",
                 endpoint.error().message);
}

Result<void> choose_tee(const BuildOptions& options, const parts::TeeConfig& file,
                        parts::KrunConfig& to) {
  Tee tee = file.tee.value_or(Tee::snp);
  if (!options.tee.empty()) tee = TRY(tee_from_string(options.tee));
  std::string data = options.tee_data;
  // The file's data describes the file's TEE.
  if (data.empty() && file.tee_data && tee == file.tee.value_or(Tee::snp)) data = *file.tee_data;
  return parts::set_tee(to, tee, data);
}

}  // namespace

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWorkloadId &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
             std::string_view::npos;
}

Result<parts::KrunConfig> krun_settings(const BuildOptions& options) {
  parts::TeeConfig file;
  if (!options.tee_config.empty()) file = TRY(parts::parse_tee_config(options.tee_config));
  if (!options.workload_id.empty()) file.workload_id = std::nullopt;
  if (!options.broker_url.empty()) file.attestation_url = std::nullopt;
  TRY(check_texts(file));
  parts::KrunConfig settings;
  settings.workload_id = file.workload_id.value_or(options.workload_id);
  settings.attestation_url = file.attestation_url.value_or(options.broker_url);
  settings.vcpus = options.vcpus != 0 ? options.vcpus : file.vcpus.value_or(settings.vcpus);
  settings.ram_mib =
      options.ram_mib != 0 ? options.ram_mib : file.ram_mib.value_or(settings.ram_mib);
  TRY(choose_tee(options, file, settings));
  return settings;
}

}  // namespace bartizan::image::builder
