// request_key(): the guest's side of KBS 0.4.0. One fresh EC P-256 key for each handshake; it never
// leaves it. What may pass (no connection, too many requests, a broker's own error) is tried again
// until the deadline, with new evidence; a refusal never is.

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "attest/client/appraisal.hpp"
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
constexpr size_t kMaxCookie = 4096;  // of all that are echoed with each request
constexpr uint32_t kFirstPauseMs = 500, kLongestPauseMs = 8000;

// "a=b; Expires=…": name and value, which are sent back as they came. A balancer in front of several
// brokers sets cookies of its own, and needs them to find the one that has the session.
class Cookies {
 public:
  void take(const HttpResponse& response) {
    for (const std::string& line : response.head.set_cookies) {
      const std::string pair = line.substr(0, line.find(';'));
      const size_t equals = pair.find('=');
      if (equals != pair.npos && equals != 0) values_[pair.substr(0, equals)] = pair;
    }
  }
  bool has_session() const { return values_.contains(std::string(kCookieName)); }
  std::string header() const {
    std::string all;
    for (const auto& [name, pair] : values_) all += (all.empty() ? "" : "; ") + pair;
    return all;
  }

 private:
  std::map<std::string, std::string> values_;
};

// One handshake with a broker, from the challenge to the key.
class Handshake {
 public:
  Handshake(HttpsClient client, EcKey key, std::string statement)
      : client_(std::move(client)), key_(std::move(key)), statement_(std::move(statement)) {}

  Result<SecretBytes> run(const std::string& resource, EvidenceSource& source) {
    const std::string nonce = TRY(authenticate(source.tee()));
    const std::string token = TRY(send_evidence(nonce, source));
    auto response = exchange({"GET", fmt::format("{}/resource/{}", kPrefix, resource), {}, {}});
    if (response.ok()) return crypto::jwe_decrypt(key_, as_text(response->body));
    Error refusal = std::move(response).error();
    if (refused_) refusal.message += appraisal_in(token);
    return refusal;
  }
  // Of the last error: another try may meet a broker that answers.
  bool may_pass() const { return temporary_; }

 private:
  Result<HttpResponse> exchange(HttpRequest request) {
    if (cookies_.has_session()) request.headers.emplace_back("Cookie", cookies_.header());
    temporary_ = refused_ = false;
    auto answer = client_.send(request);
    if (!answer.ok()) {
      temporary_ = answer.error().code == ErrorCode::io;
      return answer;
    }
    if (answer->status == 200) {
      cookies_.take(*answer);
      return answer;
    }
    temporary_ = answer->status == 429 || answer->status >= 500;
    refused_ = answer->status == 401 || answer->status == 403;
    Error error = error_from_answer(answer->status, as_text(answer->body), client_.endpoint().url);
    // No judgement: the session is gone, or a broker that took the nonce was cut off before it
    // answered.
    temporary_ |= refused_ && error.reason == "nonce";
    return error;
  }

  Result<std::string> authenticate(Tee tee) {
    Json body = {{"version", kVersion},
                 {"tee", attest::evidence::kbs_tee_name(tee)},
                 {"extra-params", {{"supported-hash-algorithms", {"sha384"}}}}};
    HttpResponse response = TRY(exchange(post("/auth", body)));
    Json json = TRY(json_body(client_, response));
    auto nonce = json_string(json, "nonce", "challenge");
    if (!nonce.ok() || nonce->empty() || nonce->size() > kMaxNonce)
      return protocol_error(client_, "challenge has no nonce");
    if (!cookies_.has_session() || cookies_.header().size() > kMaxCookie)
      return protocol_error(client_, "answer to auth has no session cookie");
    return nonce;
  }

  // The token of the answer.
  Result<std::string> send_evidence(const std::string& nonce, EvidenceSource& source) {
    Json public_key = crypto::ec_public_jwk(key_);
    auto report_data = TRY(attest::client::report_data(nonce, public_key, ""));
    Evidence evidence = TRY(source.evidence(report_data));
    Json primary = TRY(parse_json(TRY(evidence_to_json(evidence)), "evidence"));
    Json body = {
        {"init-data", nullptr},
        {"runtime-data", {{"nonce", nonce}, {"tee-pubkey", public_key}}},
        {"tee-evidence", {{"primary_evidence", std::move(primary)}, {"additional_evidence", ""}}}};
    if (!statement_.empty()) body[kStatementMember] = statement_;
    HttpResponse response = TRY(exchange(post("/attest", body)));
    Json json = TRY(json_body(client_, response));
    auto token = json_string(json, "token", "answer");
    if (!token.ok()) return protocol_error(client_, "answer to attest has no token");
    return token;
  }

  static HttpRequest post(std::string_view path, const Json& body) {
    return json_post(std::string(kPrefix) + std::string(path), body);
  }

  HttpsClient client_;
  EcKey key_;
  std::string statement_;
  Cookies cookies_;
  bool temporary_ = false, refused_ = false;
};

Result<SecretBytes> attempt(const KeyRequest& request, EvidenceSource& source, Deadline deadline,
                            bool& may_pass) {
  may_pass = false;
  auto client = TRY(HttpsClient::create(request.url, request.ca_pem, deadline));
  Handshake handshake(std::move(client), TRY(EcKey::generate(crypto::Curve::p256)),
                      request.statement);
  auto key = handshake.run(request.resource, source);
  may_pass = handshake.may_pass();
  return key;
}

}  // namespace

Result<SecretBytes> request_key(const KeyRequest& request, EvidenceSource& source) {
  TRY(check_resource_path(request.resource));
  const Deadline deadline = Deadline::after_ms(request.timeout_ms);
  uint32_t pause = kFirstPauseMs;
  for (int tries = 1;; ++tries) {
    bool may_pass = false;
    auto key = attempt(request, source, deadline, may_pass);
    if (key.ok()) return key;
    if (!may_pass || deadline.remaining_ms() <= static_cast<int>(pause)) {
      Error last = std::move(key).error();
      if (tries > 1) last.message += fmt::format(" (the last of {} tries)", tries);
      return last;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    pause = std::min(2 * pause, kLongestPauseMs);
  }
}

}  // namespace bartizan
