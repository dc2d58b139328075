#include "attest/broker/trustee.hpp"

#include <algorithm>
#include <optional>

#include "attest/broker/admin_post.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/ed25519.hpp"

namespace bartizan {
using namespace attest::broker;  // NOLINT: the public functions of this component
namespace attest::broker {
namespace {

constexpr char kOrigin[] = "attest/broker";
constexpr int64_t kAdminTokenSeconds = 300;  // of the administrator's bearer token
constexpr int64_t kClockSkew = 30;           // between their clock and ours
constexpr size_t kMrConfigIdBytes = 48;
constexpr size_t kMaxReferenceValues = 4096;

// Trustee's own default policy allows every resource to all but sample evidence.
Result<void> check_policy(const BrokerAccess& access) {
  if (access.resource_policy != access.keep_resource_policy) return {};
  if (access.resource_policy)
    return invalid(kOrigin, "resource_policy and keep_resource_policy exclude each other");
  return invalid(kOrigin,
                 "Trustee's default policy gives any key to every genuine guest, whatever it "
                 "measures: resource_policy replaces it by one for this workload, "
                 "keep_resource_policy trusts the one that is there");
}

// What Trustee calls the measurement, for the default policies of its attestation service.
Result<std::string> reference_name(Tee tee) {
  if (tee == Tee::snp) return std::string("snp_launch_measurement");
  if (tee == Tee::tdx) return std::string("mr_td");
  return make_error(ErrorCode::unsupported, kOrigin, "Trustee verifies snp and tdx, not {}",
                    evidence::kbs_tee_name(tee));
}

Json hex_list(const std::vector<Bytes>& all) {
  Json list = Json::array();
  for (const Bytes& one : all) list.push_back(to_hex(one));
  return list;
}

Result<void> check(const Workload& workload) {
  constexpr size_t kDigestBytes = 32, kMeasurementBytes = 48;
  TRY(reference_name(workload.tee));
  TRY(client::check_resource_path(workload.resource));
  auto invalid = [](const char* why) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "workload: {}", why);
  };
  if (workload.measurements.empty()) return invalid("no measurement");
  for (const Bytes& one : workload.measurements) {
    if (one.size() != kMeasurementBytes) return invalid("measurement is not 48 bytes");
  }
  if (workload.workload_digest.size() != kDigestBytes)
    return invalid("workload_digest is not 32 bytes");
  if (workload.minimum_tcb != 0)
    return invalid("minimum_tcb: Trustee has the TCB among its reference values, by component");
  if (!workload.signer.empty()) return invalid("signer: Trustee knows digests alone");
  if (!workload.policy.empty())
    return invalid("policy: Trustee has an attestation policy of its own");
  return {};
}

// {"version","type","payload"} with the values in base64: a message to the reference value
// provider.
std::string reference_message(const std::string& name, const Json& values) {
  std::string payload = Json{{name, values}}.dump();
  return Json{{"version", "0.1.0"}, {"type", "sample"}, {"payload", to_base64(as_bytes(payload))}}
      .dump();
}

// The conditions on the claims of one TEE (SNP: attestation report; TDX: quote body). HOST_DATA
// comes as init_data, beside the claims of the TEE and not among them.
std::string conditions(const Workload& workload) {
  std::string measured = hex_list(workload.measurements).dump();
  Bytes bound = workload.workload_digest;
  if (workload.tee == Tee::tdx) bound.resize(kMrConfigIdBytes);
  bool snp = workload.tee == Tee::snp;
  std::string text = fmt::format(
      "\t{} in {}\n\t{} == \"{}\"\n", snp ? "claims.measurement" : "claims.quote.body.mr_td",
      measured, snp ? "evidence.init_data" : "claims.quote.body.mr_config_id", to_hex(bound));
  if (workload.allow_debug) return text;
  return text + fmt::format("\t{} == false\n",
                            snp ? "claims.policy_debug_allowed" : "claims.td_attributes.debug");
}

Json path_parts(std::string_view resource) {
  Json parts = Json::array();
  for (size_t at = 0; at <= resource.size();) {
    size_t end = std::min(resource.find('/', at), resource.size());
    parts.push_back(std::string(resource.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

class TrusteeRegistration {
 public:
  TrusteeRegistration(const BrokerAccess& access, const Workload& workload)
      : access_(access), workload_(workload) {}

  Result<void> run(int64_t now) {
    if (!access_.admin_key.empty()) {
      token_ = TRY(make_admin_token(access_, now));
    } else if (!access_.admin_token.empty()) {
      token_ = access_.admin_token.clone();
    }
    if (access_.resource_policy) TRY(send_policy());
    if (access_.reference_values) TRY(send_reference_values());
    return send("/resource/" + workload_.resource, "application/octet-stream",
                workload_.disk_key.clone());
  }

 private:
  Result<void> send_policy() {
    std::string policy = TRY(trustee_resource_policy(workload_));
    Json body = {{"policy", to_base64(as_bytes(policy), Base64::url)}};
    return send("/resource-policy", "application/json", SecretBytes::from_string(body.dump()));
  }

  // The list is one for all workloads: what others registered stays, or they would be locked out.
  Result<Json> merged_with_theirs(const std::string& name) {
    Json all = hex_list(workload_.measurements);
    const auto body =
        TRY(fetch(access_, fmt::format("{}/reference-value/{}", client::kPrefix, name),
                  TRY(authorization())));
    if (!body) return all;
    const Json theirs = TRY(parse_json(as_text(*body), "Trustee's reference value"));
    if (theirs.is_null()) return all;
    if (!theirs.is_array() || theirs.size() > kMaxReferenceValues) {
      return make_error(ErrorCode::protocol, kOrigin,
                        "Trustee's reference value {}: not a list of at most {} values", name,
                        kMaxReferenceValues);
    }
    for (const Json& one : theirs) {
      if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
    }
    return all;
  }

  Result<void> send_reference_values() {
    const std::string name = TRY(reference_name(workload_.tee));
    std::string message = reference_message(name, TRY(merged_with_theirs(name)));
    return send("/reference-value", "application/json", SecretBytes::from_string(message));
  }

  Result<std::optional<std::string>> authorization() const {
    if (token_.empty()) return std::optional<std::string>();
    return std::optional<std::string>(TRY(bearer(token_)));
  }

  Result<void> send(const std::string& path, const char* type, SecretBytes body) {
    Post post{std::string(client::kPrefix) + path, type, std::move(body), TRY(authorization())};
    return send_post(access_, std::move(post), {&workload_.disk_key, &token_, &access_.admin_key});
  }

  const BrokerAccess& access_;
  const Workload& workload_;
  SecretBytes token_;
};

}  // namespace

Result<SecretBytes> make_admin_token(const BrokerAccess& access, int64_t now) {
  Json claims = {{"iat", now}, {"nbf", now - kClockSkew}, {"exp", now + kAdminTokenSeconds}};
  if (!access.admin_issuer.empty()) claims["iss"] = access.admin_issuer;
  if (!access.admin_audience.empty()) claims["aud"] = access.admin_audience;
  if (!access.admin_role.empty()) claims["role"] = access.admin_role;
  Json header = {{"alg", "EdDSA"}, {"typ", "JWT"}};
  std::string token = to_base64(as_bytes(TRY(canonical_json(header))), Base64::url) + "." +
                      to_base64(as_bytes(TRY(canonical_json(claims))), Base64::url);
  Bytes signature = TRY(crypto::ed25519_sign(access.admin_key, as_bytes(token)));
  return SecretBytes::from_string(token + "." + to_base64(signature, Base64::url));
}

Result<void> register_with_trustee(const BrokerAccess& access, const Workload& workload,
                                   int64_t now) {
  TRY(check(workload));
  TRY(check_policy(access));
  if (workload.disk_key.empty())
    return make_error(ErrorCode::invalid_argument, kOrigin, "workload: disk_key is empty");
  return TrusteeRegistration(access, workload).run(now);
}

}  // namespace attest::broker

Result<std::string> trustee_resource_policy(const Workload& workload) {
  TRY(check(workload));
  return fmt::format(
      "# Made by bartizan: one resource for one confidential workload.\n"
      "package policy\n\nimport rego.v1\n\ndefault allow := false\n\n"
      "cpu := input.submods.cpu0\n\nevidence := cpu[\"ear.veraison.annotated-evidence\"]\n\n"
      "claims := evidence.{}\n\n"
      "allow if {{\n\tdata.plugin == \"resource\"\n\tdata[\"resource-path\"] == {}\n"
      "\tcpu[\"ear.status\"] == \"affirming\"\n{}}}\n",
      attest::evidence::kbs_tee_name(workload.tee), path_parts(workload.resource).dump(),
      conditions(workload));
}

}  // namespace bartizan
