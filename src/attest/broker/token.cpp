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

// TD attributes, bit 0 (TDX module ABI, ATTRIBUTES).
constexpr uint64_t kTdDebug = 1;

bool allows_debug(const VerifiedEvidence& evidence) {
  return (evidence.policy & (evidence.tee == Tee::tdx ? kTdDebug : evidence::kPolicyDebug)) != 0;
}

// AR4SI: 2 to 31 affirming, 32 to 95 warning, 96 and above contraindicated. The simulated TEE has
// no hardware (97); 32: genuine, with known vulnerabilities, which the policy took.
int hardware_claim(const VerifiedEvidence& evidence) {
  if (evidence.tee == Tee::simulated) return 97;
  return evidence.tee == Tee::tdx && evidence.tcb_status != "UpToDate" ? 32 : 2;
}

const char* status_of(int hardware) {
  return hardware >= 96 ? "contraindicated" : hardware >= 32 ? "warning" : "affirming";
}

Json submodule(const VerifiedEvidence& evidence, const Json& runtime_data) {
  const int hardware = hardware_claim(evidence);
  Json tee = {{"measurement", to_hex(evidence.measurement)},
              {"report_data", to_hex(evidence.report_data)},
              {"init_data", to_hex(evidence.host_data)},
              {"chip_id", evidence.chip_id},
              {"policy_debug_allowed", allows_debug(evidence)},
              {"reported_tcb", evidence.reported_tcb}};
  Json annotated = {{"init_data", to_hex(evidence.host_data)},
                    {"report_data", to_hex(evidence.report_data)},
                    {"runtime_data_claims", runtime_data}};
  annotated[std::string(evidence::kbs_tee_name(evidence.tee))] = std::move(tee);
  return {{"ear.status", status_of(hardware)},
          {"ear.trustworthiness-vector",
           {{"instance-identity", evidence.tee == Tee::simulated ? 97 : 2},
            {"executables", 3},
            {"hardware", hardware},
            {"configuration", 2}}},
          {"ear.appraisal-policy-id", "default"},
          {"ear.veraison.annotated-evidence", std::move(annotated)}};
}

// A signature of ES256 is r and s side by side.
constexpr size_t kCoordinateSize = 32;
constexpr size_t kMaxToken = 16'384;  // an RSA key of a guest fits

}  // namespace

Result<std::string> make_token(const crypto::EcKey& key, const VerifiedEvidence& evidence,
                               const Json& runtime_data, const std::string& session, int64_t now) {
  Json claims = {{"eat_profile", "tag:github.com,2024:confidential-containers/Trustee"},
                 {"iat", now},
                 {"exp", now + kAttestationTokenSeconds},
                 {"jti", session},
                 {"iss", "bartizan"},
                 {"ear.verifier-id", {{"developer", "bartizan"}, {"build", "bartizan broker"}}},
                 {"submods", {{"cpu0", submodule(evidence, runtime_data)}}}};
  std::string signed_part = url64(header_of(key).dump()) + "." + url64(claims.dump());
  crypto::EcdsaSignature signature = TRY(key.sign(crypto::HashKind::sha256, as_bytes(signed_part)));
  Bytes raw = signature.r;  // RFC 7518 §3.4: r and s side by side
  raw.insert(raw.end(), signature.s.begin(), signature.s.end());
  return signed_part + "." + to_base64(raw, Base64::url);
}

// The key decides about the algorithm, so the header is not asked for it: a token with "none" or
// with another key in its header has no good signature here.
std::optional<std::string> session_of_token(const crypto::EcKey& key, std::string_view token,
                                            int64_t now) {
  size_t first = token.find('.'), last = token.rfind('.');
  if (token.size() > kMaxToken || first == std::string_view::npos || first == last)
    return std::nullopt;
  auto raw = from_base64(token.substr(last + 1), Base64::url);
  if (!raw.ok() || raw->size() != 2 * kCoordinateSize) return std::nullopt;
  auto middle = raw->begin() + kCoordinateSize;
  crypto::EcdsaSignature signature{Bytes(raw->begin(), middle), Bytes(middle, raw->end())};
  if (!key.verify(crypto::HashKind::sha256, as_bytes(token.substr(0, last)), signature))
    return std::nullopt;
  auto text = from_base64(token.substr(first + 1, last - first - 1), Base64::url);
  if (!text.ok()) return std::nullopt;
  auto claims = parse_json(as_text(*text), "token");
  if (!claims.ok() || !claims->is_object()) return std::nullopt;
  auto expires = claims->find("exp");
  auto session = claims->find("jti");
  if (expires == claims->end() || !expires->is_number_integer() || expires->get<int64_t>() <= now ||
      session == claims->end() || !session->is_string())
    return std::nullopt;
  return session->get<std::string>();
}

}  // namespace bartizan::attest::broker
