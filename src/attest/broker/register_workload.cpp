#include "attest/broker/register_workload.hpp"

#include <openssl/crypto.h>

#include "attest/broker/admin_post.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr char kOrigin[] = "attest/broker";

// "flags.bits" of tee_config, as those tools number them. Other than they (63, 59, 15) we forbid
// debugging, and with SNP migration agents too, unless the owner allows debugging.
constexpr uint32_t kSevNoDebug = 1, kSevAll = 63, kSevEs = 4;
constexpr uint32_t kSnpSmt = 1, kSnpMandatory = 2, kSnpDebug = 8;

Result<uint32_t> flag_bits(const Workload& workload) {
  uint32_t sev = workload.allow_debug ? kSevAll & ~kSevNoDebug : kSevAll;
  if (workload.tee == Tee::sev_es) return sev;
  if (workload.tee == Tee::sev) return sev & ~kSevEs;
  if (workload.tee == Tee::snp)
    return kSnpSmt | kSnpMandatory | (workload.allow_debug ? kSnpDebug : 0);
  return make_error(ErrorCode::unsupported, kOrigin,
                    "servers of register_workload verify sev, sev-es and snp, not {}",
                    evidence::kbs_tee_name(workload.tee));
}

Result<void> check_for_registration(const Workload& workload) {
  auto invalid = [](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "workload: {}", why);
  };
  if (workload.id.empty()) return invalid("id is empty");
  if (workload.disk_key.empty()) return invalid("disk_key is empty");
  if (workload.measurements.size() == 1) return {};
  return invalid(fmt::format("{} measurements: register_workload takes exactly one",
                             workload.measurements.size()));
}

// The text of a JSON string; the disk key is one, so it must be UTF-8.
Result<SecretBytes> body_of(const Workload& workload) {
  uint32_t bits = TRY(flag_bits(workload));
  Json config = {{"flags", {{"bits", bits}}}, {"minfw", {{"major", 0}, {"minor", 0}}}};
  Json json = {{"workload_id", workload.id},
               {"launch_measurement", to_hex(workload.measurements.front())},
               {"tee_config", config.dump()},
               {"passphrase", std::string(workload.disk_key.view())}};
  auto text = canonical_json(json);
  std::string& passphrase = json["passphrase"].get_ref<std::string&>();
  OPENSSL_cleanse(passphrase.data(), passphrase.size());
  if (!text.ok()) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "workload: disk_key must be UTF-8 text for register_workload");
  }
  SecretBytes body = SecretBytes::from_string(*text);
  OPENSSL_cleanse(text->data(), text->size());
  return body;
}

}  // namespace

Result<void> register_workload_at(const BrokerAccess& access, const Workload& workload) {
  TRY(check_for_registration(workload));
  Post post{std::string(client::kPrefix) + "/register_workload",
            "application/json",
            TRY(body_of(workload)),
            {}};
  return send_post(access, std::move(post), {&workload.disk_key});
}

}  // namespace bartizan::attest::broker
