// request_key(): the guest's side of KBS 0.4.0. One fresh EC P-256 key for each exchange; it never
// leaves this function.

#include "attest/client/json_exchange.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/tee_name.hpp"
#include "bartizan/attest.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/jwe.hpp"

namespace bartizan {
using namespace attest::client;  // NOLINT: the public functions of this component
namespace {

using crypto::EcKey;

constexpr size_t kMaxNonce = 1024;   // a nonce is 44 characters; it gets hashed and echoed
constexpr size_t kMaxCookie = 4096;  // echoed with each request

attest::client::HttpRequest post(std::string_view path, const Json& body, std::string_view cookie) {
  attest::client::HttpRequest request =
      attest::client::json_post(std::string(attest::client::kPrefix) + std::string(path), body);
  if (!cookie.empty()) request.headers.emplace_back("Cookie", cookie);
  return request;
}

struct Challenge {
  std::string nonce, cookie;
};

// "kbs-session-id=…; Expires=…": name and value are sent back as they came.
Result<std::string> session_cookie(const attest::client::HttpsClient& client,
                                   const attest::client::HttpResponse& response) {
  std::string_view cookie = response.head.header("set-cookie");
  cookie = cookie.substr(0, cookie.find(';'));
  if (cookie.find('=') == std::string_view::npos || cookie.size() > kMaxCookie) {
    return protocol_error(client, "answer to auth has no session cookie");
  }
  return std::string(cookie);
}

Result<Challenge> authenticate(attest::client::HttpsClient& client, Tee tee) {
  Json body = {{"version", attest::client::kVersion},
               {"tee", attest::evidence::kbs_tee_name(tee)},
               {"extra-params", {{"supported-hash-algorithms", {"sha384"}}}}};
  attest::client::HttpResponse response = TRY(exchange(client, post("/auth", body, {})));
  Json json = TRY(json_body(client, response));
  auto nonce = json_string(json, "nonce", "challenge");
  if (!nonce.ok() || nonce->empty() || nonce->size() > kMaxNonce)
    return protocol_error(client, "challenge has no nonce");
  std::string cookie = TRY(session_cookie(client, response));
  return Challenge{*nonce, cookie};
}

Result<void> send_evidence(attest::client::HttpsClient& client, const Challenge& challenge,
                           const EcKey& key, EvidenceSource& source) {
  Json public_key = crypto::ec_public_jwk(key);
  auto report_data = TRY(attest::client::report_data(challenge.nonce, public_key, ""));
  Evidence evidence = TRY(source.evidence(report_data));
  Json primary = TRY(parse_json(TRY(evidence_to_json(evidence)), "evidence"));
  Json body = {
      {"init-data", nullptr},
      {"runtime-data", {{"nonce", challenge.nonce}, {"tee-pubkey", public_key}}},
      {"tee-evidence", {{"primary_evidence", std::move(primary)}, {"additional_evidence", ""}}}};
  attest::client::HttpResponse response =
      TRY(exchange(client, post("/attest", body, challenge.cookie)));
  Json json = TRY(json_body(client, response));
  if (!json_string(json, "token", "answer").ok())
    return protocol_error(client, "answer to attest has no token");
  return {};
}

Result<SecretBytes> fetch(attest::client::HttpsClient& client, const Challenge& challenge,
                          const EcKey& key, const std::string& resource) {
  attest::client::HttpRequest request{
      "GET",
      fmt::format("{}/resource/{}", attest::client::kPrefix, resource),
      {{"Cookie", challenge.cookie}},
      {}};
  attest::client::HttpResponse response = TRY(exchange(client, std::move(request)));
  return crypto::jwe_decrypt(key, as_text(response.body));
}

}  // namespace

Result<SecretBytes> request_key(const KeyRequest& request, EvidenceSource& source) {
  TRY(attest::client::check_resource_path(request.resource));
  auto client = TRY(attest::client::HttpsClient::create(
      request.url, request.ca_pem, attest::client::Deadline::after_ms(request.timeout_ms)));
  EcKey key = TRY(EcKey::generate(crypto::Curve::p256));
  Challenge challenge = TRY(authenticate(client, source.tee()));
  TRY(send_evidence(client, challenge, key, source));
  return fetch(client, challenge, key, request.resource);
}

}  // namespace bartizan
