#include "attest/broker/messages.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <limits>

#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/tee_name.hpp"
#include "attest/evidence/workload_statement.hpp"
#include "attest/sev/platform_chain.hpp"
#include "attest/verify/policy.hpp"
#include "base/errors.hpp"
#include "crypto/jwe.hpp"
#include "crypto/jws.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr std::string_view kOrigin = "attest/broker";
constexpr size_t kDigestSize = 32;
constexpr size_t kMaxMeasurements = 64;  // each is compared with each launch
constexpr size_t kMaxId = 128;
constexpr uint64_t kMaxExpiry = 253'402'300'799;  // the end of the year 9999
constexpr size_t kMaxNonce = 128;                 // ours have 44 characters

Error invalid_workload(std::string_view what) {
  return invalid(std::string(kOrigin), "workload: {}", what);
}

Result<Bytes> hex_of_size(const Json& value, size_t size, std::string_view what) {
  auto bytes = value.is_string() ? from_hex(value.get<std::string>()) : Result<Bytes>(Bytes());
  if (bytes.ok() && bytes->size() == size) return bytes;
  return invalid_workload(fmt::format("{} is not {} bytes of hex", what, size));
}

// SEV and SEV-ES measure with SHA-256, the others with SHA-384.
constexpr size_t measurement_size(Tee tee) {
  return evidence::is_pre_attested(tee) ? 32 : 48;
}

// "0x…" or plain hex; JSON numbers above 2^53 do not survive every library.
Result<uint64_t> tcb_number(const Json& json) {
  auto found = json.find("minimum_tcb");
  if (found == json.end()) return uint64_t{0};
  Bytes bytes = TRY(hex_of_size(*found, 8, "minimum_tcb"));
  uint64_t value = 0;
  for (uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

Result<bool> flag(const Json& json, std::string_view name) {
  if (!json.contains(std::string(name))) return false;
  return json_bool(json, name, "workload");
}

// Absent: snp, or its simulation.
Result<Tee> tee_member(const Json& json) {
  if (!json.contains("tee")) return Tee::snp;
  std::string name = TRY(json_string(json, "tee", "workload"));
  auto tee = evidence::tee_of_kbs_name(name);
  if (tee && *tee != Tee::none) return *tee;
  return invalid_workload(fmt::format("tee \"{}\": sev, sev-es, snp, tdx or {}", name,
                                      evidence::kbs_tee_name(Tee::simulated)));
}

Result<std::string> optional_text(const Json& json, const char* name) {
  auto found = json.find(name);
  if (found == json.end() || found->is_null()) return std::string();
  return json_string(json, name, "workload");
}

// As text without blanks, so that the same policy is the same text.
std::string policy_member(const Json& json) {
  auto found = json.find("policy");
  return found == json.end() || found->is_null() ? std::string() : found->dump();
}

// One that reads as a workload digest would hide the workload that has it.
bool reads_as_digest(std::string_view id) {
  return id.size() == 2 * kDigestSize && from_hex(id).ok();
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxId && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// The policy by itself: what the other members demand beside it is added for each judgement.
Result<void> check_policy(const Workload& workload) {
  if (workload.policy.empty()) return {};
  if (evidence::is_pre_attested(workload.tee))
    return invalid_workload("policy is of evidence, and guests of sev and sev-es bring none");
  const Json policy = TRY(parse_json(workload.policy, "workload: policy"));
  if (policy.is_object() && policy.contains("allow_simulated"))
    return invalid_workload("policy has allow_simulated, which is the workload's own member");
  EvidencePolicy alone;
  alone.json = workload.policy;
  auto read = verify::read_policy(alone);
  if (!read.ok()) return std::move(read).error();
  return {};
}

// One build by its digest, or all that a key signs.
Result<void> check_which_builds(const Workload& workload) {
  if (workload.signer.empty()) {
    if (workload.minimum_version != 0) return invalid_workload("minimum_version without a signer");
    if (workload.workload_digest.size() == kDigestSize) return {};
    return invalid_workload("workload_digest is not 32 bytes");
  }
  if (!workload.workload_digest.empty())
    return invalid_workload("workload_digest and signer: one of the two");
  if (evidence::is_pre_attested(workload.tee))
    return invalid_workload("signer: launches of sev and sev-es are registered by their digest");
  if (workload.minimum_version > evidence::kMaxWorkloadVersion)
    return invalid_workload(fmt::format("minimum_version {}: above {}", workload.minimum_version,
                                        evidence::kMaxWorkloadVersion));
  auto algorithm = crypto::jws_algorithm(workload.signer);
  if (algorithm.ok()) return {};
  return invalid_workload("signer: " + algorithm.error().message);
}

// A number is a TCB of Milan and Genoa (EvidencePolicy::minimum_tcb).
Result<void> check_minimum_tcb(const Workload& workload) {
  if (workload.minimum_tcb == 0) return {};
  if (evidence::is_pre_attested(workload.tee))
    return invalid_workload("minimum_tcb is SNP's; SEV has the least firmware in its guest policy");
  if (workload.tee == Tee::tdx)
    return invalid_workload("minimum_tcb is SNP's; of TDX the policy has tcb_statuses");
  return {};
}

// No guest would ever get the key.
Result<void> check_tee(const Workload& workload) {
  if (evidence::is_pre_attested(workload.tee)) return {};
  if (workload.tee == Tee::simulated && !workload.allow_simulated)
    return invalid_workload(
        "tee \"simulated\" without allow_simulated: no guest of it would get the key; name the TEE "
        "of the measurements, or allow it for a test, as it protects nothing");
  if (evidence::verifiable_tee(evidence::kbs_tee_name(workload.tee))) return {};
  return make_error(ErrorCode::unsupported, std::string(kOrigin),
                    "workload: tee \"{}\": its guests bring no evidence that this broker verifies, "
                    "so none would get the key",
                    evidence::kbs_tee_name(workload.tee));
}

Result<void> check_workload(const Workload& workload) {
  TRY(check_tee(workload));
  if (!is_id(workload.id))
    return invalid_workload("id is not 1 to 128 letters, digits, '_', '-' or '.'");
  if (reads_as_digest(workload.id))
    return invalid_workload("id has the form of a workload digest, and would stand for another");
  TRY(client::check_resource_path(workload.resource));
  TRY(check_which_builds(workload));
  // Without one, any look-alike stack would get the key.
  if (workload.measurements.empty()) return invalid_workload("no measurement");
  if (workload.measurements.size() > kMaxMeasurements)
    return invalid_workload("more than 64 measurements");
  const size_t size = measurement_size(workload.tee);
  for (const Bytes& one : workload.measurements) {
    if (one.size() != size) {
      return invalid_workload(fmt::format("measurement of {} bytes: {} has {}", one.size(),
                                          evidence::kbs_tee_name(workload.tee), size));
    }
  }
  TRY(check_minimum_tcb(workload));
  TRY(check_policy(workload));
  return check_disk_key(workload.disk_key);
}

// {"format":"toml","body":"…"} or null. Its content is bound by HOST_DATA, which must be a
// registered digest.
Result<void> check_init_data(const Json& json) {
  auto found = json.find("init-data");
  if (found == json.end() || found->is_null()) return {};
  if (TRY(json_string(*found, "format", "init-data")) == "toml") return {};
  return make_error(ErrorCode::unsupported, std::string(kOrigin), "init-data: format is not toml");
}

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
}

// Strings of a JSON document that held a key.
void wipe_member(Json& json, const char* key) {
  auto found = json.find(key);
  if (found != json.end() && found->is_string()) wipe(found->get_ref<std::string&>());
}

// A demand that is misspelt would be none.
Result<void> check_members(const Json& json, std::initializer_list<std::string_view> known) {
  if (!json.is_object()) return invalid(std::string(kOrigin), "request: not an object");
  for (const auto& [name, value] : json.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return invalid(std::string(kOrigin), "request: \"{}\" is not a known member",
                     name.substr(0, kMaxId));
  }
  return {};
}

Result<Workload> workload_from_json(const Json& json) {
  TRY(check_members(json, {"id", "workload_digest", "signer", "minimum_version", "measurements",
                           "allow_simulated", "allow_debug", "minimum_tcb", "policy", "resource",
                           "disk_key", "tee", "replace"}));
  Workload workload;
  workload.id = TRY(json_string(json, "id", "workload"));
  workload.signer = TRY(optional_text(json, "signer"));
  if (json.contains("minimum_version"))
    workload.minimum_version = TRY(json_unsigned(json, "minimum_version", "workload"));
  auto digest = json.find("workload_digest");
  if (workload.signer.empty() || (digest != json.end() && !digest->is_null()))
    workload.workload_digest = TRY(hex_of_size(
        *TRY(json_member(json, "workload_digest", "workload")), kDigestSize, "workload_digest"));
  workload.tee = TRY(tee_member(json));
  const Json* measurements = TRY(json_member(json, "measurements", "workload"));
  if (!measurements->is_array()) return invalid_workload("measurements is not an array");
  for (const Json& one : *measurements) {
    workload.measurements.push_back(
        TRY(hex_of_size(one, measurement_size(workload.tee), "measurement")));
  }
  workload.allow_simulated = TRY(flag(json, "allow_simulated"));
  workload.allow_debug = TRY(flag(json, "allow_debug"));
  workload.minimum_tcb = TRY(tcb_number(json));
  workload.policy = policy_member(json);
  workload.resource = TRY(json_string(json, "resource", "workload"));
  std::string encoded = TRY(json_string(json, "disk_key", "workload"));
  auto key = from_base64(encoded);
  wipe(encoded);
  if (!key.ok()) return invalid_workload("disk_key is not base64");
  workload.disk_key = SecretBytes(ByteView(*key));
  OPENSSL_cleanse(key->data(), key->size());
  TRY(check_workload(workload));
  return workload;
}

}  // namespace

Result<void> check_disk_key(const SecretBytes& key) {
  if (!key.empty() && key.size() <= kMaxDiskKey) return {};
  return invalid_workload("disk_key is not 1 to 4096 bytes");
}

Result<SecretBytes> disk_key_of(ByteView body) {
  SecretBytes key(body);
  TRY(check_disk_key(key));
  return key;
}

namespace {

Result<int64_t> expires_member(const Json& json) {
  const uint64_t expires = TRY(json_unsigned(json, "expires", "expiry"));
  if (expires <= kMaxExpiry) return static_cast<int64_t>(expires);
  return invalid(std::string(kOrigin), "expiry: {} is later than {}", expires, kMaxExpiry);
}

}  // namespace

Result<int64_t> parse_expiry(ByteView body) {
  const Json json = TRY(parse_json(as_text(body), "expiry"));
  TRY(check_members(json, {"expires"}));
  return expires_member(json);
}

Result<AdminToken> parse_token_request(ByteView body) {
  const Json json = TRY(parse_json(as_text(body), "token"));
  TRY(check_members(json, {"name", "scope", "expires"}));
  AdminToken token;
  token.name = TRY(json_string(json, "name", "token"));
  TRY(check_token_name(token.name));
  token.scope = TRY(token_scope_from_string(TRY(json_string(json, "scope", "token"))));
  token.expires = TRY(expires_member(json));
  return token;
}

Json public_part(const AdminToken& token) {
  return {{"name", token.name},
          {"scope", to_string(token.scope)},
          {"created", token.created},
          {"expires", token.expires}};
}

SecretBytes token_reply(const AdminToken& token, const SecretBytes& text) {
  Json json = public_part(token);
  json["token"] = text.view();
  std::string reply = json.dump();
  wipe_member(json, "token");
  SecretBytes secret = SecretBytes::from_string(reply);
  wipe(reply);
  return secret;
}

Result<SecretBytes> token_of_reply(std::string reply) {
  auto json = parse_json(reply, "token");
  wipe(reply);
  if (!json.ok()) return std::move(json).error();
  auto token = json_string(*json, "token", "token");
  wipe_member(*json, "token");
  if (!token.ok()) return std::move(token).error();
  SecretBytes secret = SecretBytes::from_string(*token);
  wipe(*token);
  return secret;
}

Result<Tee> parse_auth(ByteView body) {
  Json json = TRY(parse_json(as_text(body), "auth"));
  std::string version = TRY(json_string(json, "version", "auth"));
  if (version != client::kVersion) {
    return make_error(ErrorCode::protocol, std::string(kOrigin),
                      "KBS protocol version \"{}\"; this broker speaks {}", version,
                      client::kVersion);
  }
  std::string name = TRY(json_string(json, "tee", "auth"));
  TRY(json_member(json, "extra-params", "auth"));
  if (auto tee = evidence::verifiable_tee(name)) return *tee;
  return make_error(ErrorCode::unsupported, std::string(kOrigin),
                    "TEE \"{}\"; this broker verifies snp, tdx and {}", name,
                    evidence::kbs_tee_name(Tee::simulated));
}

Result<AttestMessage> parse_attest(ByteView body) {
  Json json = TRY(parse_json(as_text(body), "attest"));
  const Json* runtime = TRY(json_member(json, "runtime-data", "attest"));
  const Json* evidence = TRY(json_member(json, "tee-evidence", "attest"));
  TRY(check_init_data(json));
  AttestMessage message;
  message.nonce = TRY(json_string(*runtime, "nonce", "runtime-data"));
  if (message.nonce.size() > kMaxNonce) {
    return make_error(ErrorCode::corrupt, std::string(kOrigin),
                      "runtime-data: nonce of {} characters", message.nonce.size());
  }
  message.tee_public_key =
      TRY(crypto::normalize_jwk(*TRY(json_member(*runtime, "tee-pubkey", "runtime-data"))));
  message.additional_evidence = TRY(json_string(*evidence, "additional_evidence", "tee-evidence"));
  if (!message.additional_evidence.empty() && message.additional_evidence != "{}") {
    return make_error(ErrorCode::unsupported, std::string(kOrigin),
                      "evidence of additional devices");
  }
  auto statement = json.find(client::kStatementMember);
  if (statement != json.end() && !statement->is_null())
    message.statement = TRY(json_string(json, client::kStatementMember, "attest"));
  message.primary_evidence =
      TRY(json_member(*evidence, "primary_evidence", "tee-evidence"))->dump();
  return message;
}

namespace {

Result<Bytes> base64_member(const Json& json, std::string_view name, size_t most) {
  auto bytes = from_base64(TRY(json_string(json, name, "sev launch")));
  if (bytes.ok() && bytes->size() <= most) return bytes;
  return make_error(ErrorCode::corrupt, std::string(kOrigin),
                    "sev launch: {} is not base64 of at most {} bytes", name, most);
}

template <typename Number>
Result<Number> number_member(const Json& json, std::string_view name) {
  uint64_t value = TRY(json_unsigned(json, name, "sev launch"));
  if (value <= std::numeric_limits<Number>::max()) return static_cast<Number>(value);
  return make_error(ErrorCode::corrupt, std::string(kOrigin),
                    "sev launch: {} is not a number up to {}", name,
                    std::numeric_limits<Number>::max());
}

Result<sev::Firmware> firmware_of(const Json& json) {
  sev::Firmware firmware;
  firmware.api_major = TRY(number_member<uint8_t>(json, "api_major"));
  firmware.api_minor = TRY(number_member<uint8_t>(json, "api_minor"));
  firmware.build = TRY(number_member<uint8_t>(json, "build"));
  return firmware;
}

template <size_t kSize>
Result<std::array<uint8_t, kSize>> hex_member(const Json& json, std::string_view name) {
  auto bytes = from_hex(TRY(json_string(json, name, "sev launch")));
  std::array<uint8_t, kSize> value{};
  if (!bytes.ok() || bytes->size() != kSize) {
    return make_error(ErrorCode::corrupt, std::string(kOrigin),
                      "sev launch: {} is not {} bytes of hex", name, kSize);
  }
  std::ranges::copy(*bytes, value.begin());
  return value;
}

}  // namespace

Result<SevOpenMessage> parse_sev_open(ByteView body) {
  Json json = TRY(parse_json(as_text(body), "sev launch"));
  SevOpenMessage message;
  std::string name = TRY(json_string(json, "tee", "sev launch"));
  auto tee = evidence::tee_of_kbs_name(name);
  if (!tee || !evidence::is_pre_attested(*tee)) {
    return make_error(ErrorCode::unsupported, std::string(kOrigin),
                      "sev launch: TEE \"{}\": sev or sev-es", name);
  }
  message.tee = *tee;
  auto digest = TRY(hex_member<kDigestSize>(json, "workload_digest"));
  message.workload_digest.assign(digest.begin(), digest.end());
  message.policy = TRY(number_member<uint32_t>(json, "policy"));
  message.firmware = TRY(firmware_of(*TRY(json_member(json, "firmware", "sev launch"))));
  message.certificates = TRY(base64_member(json, "certificates", sev::kMaxChainBytes));
  return message;
}

Result<SevMeasurement> parse_sev_measured(ByteView body) {
  Json json = TRY(parse_json(as_text(body), "sev launch"));
  SevMeasurement seen;
  seen.measure = TRY(hex_member<32>(json, "measure"));
  seen.nonce = TRY(hex_member<16>(json, "nonce"));
  return seen;
}

namespace {

Result<Json> policy_value(const Workload& workload) {
  if (workload.policy.empty()) return Json();
  return parse_json(workload.policy, "workload: policy");
}

Result<Json> public_part(const Workload& workload) {
  Json measurements = Json::array();
  for (const Bytes& one : workload.measurements) measurements.push_back(to_hex(one));
  return Json{{"id", workload.id},
              {"workload_digest",
               workload.signer.empty() ? Json(to_hex(workload.workload_digest)) : Json()},
              {"signer", workload.signer.empty() ? Json() : Json(workload.signer)},
              {"minimum_version", workload.minimum_version},
              {"measurements", std::move(measurements)},
              {"allow_simulated", workload.allow_simulated},
              {"allow_debug", workload.allow_debug},
              {"minimum_tcb", fmt::format("{:016x}", workload.minimum_tcb)},
              {"policy", TRY(policy_value(workload))},
              {"resource", workload.resource}};
}

}  // namespace

Result<RegistrationMessage> parse_registration(ByteView body) {
  Json json = TRY(parse_json(as_text(body), "workload"));
  auto workload = workload_from_json(json);
  wipe_member(json, "disk_key");
  if (!workload.ok()) return std::move(workload).error();
  const bool replace = TRY(flag(json, "replace"));
  return RegistrationMessage{*std::move(workload), replace};
}

Result<SecretBytes> write_registration(const Workload& workload, bool replace) {
  TRY(check_workload(workload));
  Json json = TRY(public_part(workload));
  json["disk_key"] = to_base64(workload.disk_key.bytes());
  json["tee"] = evidence::kbs_tee_name(workload.tee);
  if (replace) json["replace"] = true;
  std::string text = json.dump();
  SecretBytes body = SecretBytes::from_string(text);
  wipe(text);
  wipe_member(json, "disk_key");
  return body;
}

Result<Json> public_part(const Registration& registration) {
  Json json = TRY(public_part(registration.workload));
  json["tee"] = evidence::kbs_tee_name(registration.workload.tee);
  json["generation"] = registration.generation;
  json["registered"] = registration.registered;
  json["expires"] = registration.expires;
  json["released_version"] = registration.released_version;
  return json;
}

Result<Json> list_of(const std::vector<Registration>& registrations) {
  Json list = Json::array();
  for (const Registration& registration : registrations)
    list.push_back(TRY(public_part(registration)));
  return list;
}

}  // namespace bartizan::attest::broker
