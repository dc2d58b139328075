#include "attest/broker/token.hpp"

#include "attest/evidence/snp_report.hpp"
#include "attest/evidence/tee_name.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::broker {
namespace {

std::string url64(std::string_view text) {
  return to_base64(as_bytes(text), Base64::url);
}

Json header_of(const crypto::EcKey& key) {
  crypto::EcPoint point = key.point();
  return {{"alg", "ES256"},
          {"typ", "JWT"},
          {"jwk",
           {{"kty", "EC"},
            {"crv", "P-256"},
            {"alg", "ES256"},
            {"x", to_base64(point.x, Base64::url)},
            {"y", to_base64(point.y, Base64::url)}}}};
}

// AR4SI: 2 to 31 affirming, 32 to 95 warning, 96 and above contraindicated. The simulated TEE has
// no hardware.
Json submodule(const VerifiedEvidence& evidence, const Json& runtime_data) {
  bool simulated = evidence.tee == Tee::simulated;
  Json tee = {{"measurement", to_hex(evidence.measurement)},
              {"report_data", to_hex(evidence.report_data)},
              {"init_data", to_hex(evidence.host_data)},
              {"chip_id", evidence.chip_id},
              {"policy_debug_allowed", (evidence.policy & evidence::kPolicyDebug) != 0},
              {"reported_tcb", evidence.reported_tcb}};
  Json annotated = {{"init_data", to_hex(evidence.host_data)},
                    {"report_data", to_hex(evidence.report_data)},
                    {"runtime_data_claims", runtime_data}};
  annotated[std::string(evidence::kbs_tee_name(evidence.tee))] = std::move(tee);
  return {{"ear.status", simulated ? "contraindicated" : "affirming"},
          {"ear.trustworthiness-vector",
           {{"instance-identity", simulated ? 97 : 2},
            {"executables", 3},
            {"hardware", simulated ? 97 : 2},
            {"configuration", 2}}},
          {"ear.appraisal-policy-id", "default"},
          {"ear.veraison.annotated-evidence", std::move(annotated)}};
}

}  // namespace

Result<std::string> make_token(const crypto::EcKey& key, const VerifiedEvidence& evidence,
                               const Json& runtime_data, int64_t now) {
  Json claims = {{"eat_profile", "tag:github.com,2024:confidential-containers/Trustee"},
                 {"iat", now},
                 {"exp", now + kAttestationTokenSeconds},
                 {"iss", "bartizan"},
                 {"ear.verifier-id", {{"developer", "bartizan"}, {"build", "bartizan broker"}}},
                 {"submods", {{"cpu0", submodule(evidence, runtime_data)}}}};
  std::string signed_part = url64(header_of(key).dump()) + "." + url64(claims.dump());
  crypto::EcdsaSignature signature = TRY(key.sign(crypto::HashKind::sha256, as_bytes(signed_part)));
  Bytes raw = signature.r;  // RFC 7518 §3.4: r and s side by side
  raw.insert(raw.end(), signature.s.begin(), signature.s.end());
  return signed_part + "." + to_base64(raw, Base64::url);
}

}  // namespace bartizan::attest::broker
