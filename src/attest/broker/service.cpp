#include "attest/broker/service.hpp"

#include <algorithm>
#include <ctime>

#include "attest/broker/messages.hpp"
#include "attest/broker/token.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/tee_name.hpp"
#include "attest/evidence/workload_statement.hpp"
#include "attest/https/peer_address.hpp"
#include "base/errors.hpp"
#include "crypto/jwe.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr std::string_view kOrigin = "attest/broker";
constexpr std::string_view kResourcePrefix = "/kbs/v0/resource/";
constexpr std::string_view kWorkloadsPath = "/bartizan/v1/workloads";
constexpr std::string_view kTokensPath = "/bartizan/v1/tokens";
constexpr std::string_view kBearer = "Bearer ";
constexpr size_t kMaxCookie = 4096;

BrokerReply reply_json(const Json& json) {
  return BrokerReply{200, "application/json", {}, SecretBytes::from_string(json.dump())};
}

BrokerReply reply_error(const Error& error) {
  Error shown = error;
  if (client::status_of(error.code) == 500)
    shown = make_error(ErrorCode::internal, std::string(kOrigin), "internal error");
  return BrokerReply{client::status_of(error.code),
                     "application/json",
                     {},
                     SecretBytes::from_string(client::error_to_json(shown)),
                     error.reason.empty() ? std::string(to_string(shown.code)) : error.reason};
}

// "a=b; kbs-session-id=…; c=d"
std::string session_id(std::string_view cookies) {
  cookies = cookies.substr(0, kMaxCookie);
  while (!cookies.empty()) {
    size_t end = std::min(cookies.find(';'), cookies.size());
    std::string_view one = cookies.substr(0, end);
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.starts_with(client::kCookieName) &&
        one.substr(client::kCookieName.size()).starts_with('=')) {
      return std::string(one.substr(client::kCookieName.size() + 1));
    }
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
  }
  return {};
}

// RFC 6265 §4.1.1, IMF-fixdate, without the C library's locale.
std::string http_date(int64_t seconds) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  time_t time = seconds;
  std::tm t{};
  gmtime_r(&time, &t);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[t.tm_wday], t.tm_mday,
                     kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

std::string cookie_of(const std::string& id, int64_t expires) {
  return fmt::format("{}={}; Expires={}", client::kCookieName, id, http_date(expires));
}

Error no_such_request(const BrokerRequest& request) {
  return make_error(ErrorCode::not_found, std::string(kOrigin), "no such request: {} {}",
                    request.method, request.path);
}

Error no_session() {
  return refused(std::string(kOrigin), "nonce", "a session whose nonce was not used before", "none",
                 "no session: unknown, expired, or its nonce was used");
}

}  // namespace

Result<std::unique_ptr<Service>> Service::create(Store store, Options options) {
  if (!options.clock) options.clock = [] { return static_cast<int64_t>(std::time(nullptr)); };
  crypto::EcKey token_key = TRY(crypto::EcKey::generate(crypto::Curve::p256));
  KbsSessions sessions = TRY(KbsSessions::create());
  return std::unique_ptr<Service>(
      new Service(std::move(store), std::move(options), std::move(token_key), std::move(sessions)));
}

BrokerReply Service::answer(const BrokerRequest& request) {
  Subject subject;
  Result<BrokerReply> reply = route(request, subject);
  log_decision(request, subject, reply.ok() ? nullptr : &reply.error());
  return reply.ok() ? std::move(*reply) : reply_error(reply.error());
}

Result<void> Service::check_ready() {
  return store_.check();
}

Result<BrokerReply> Service::route(const BrokerRequest& request, Subject& subject) {
  const std::string& path = request.path;
  bool get = request.method == "GET", post = request.method == "POST";
  if (get && path == "/healthz") return reply_json({{"status", "ok"}});
  if (post && path == "/kbs/v0/auth") return auth(request);
  if (post && path == "/kbs/v0/attest") return attest(request, subject);
  if (path.starts_with(kResourcePrefix)) {
    std::string resource = path.substr(kResourcePrefix.size());
    if (get) return get_resource(request, resource, subject);
    if (post) return put_resource(request, resource);
  }
  if (post && path.starts_with(sev::kLaunchesPath)) {
    return sev_launch(request, path.substr(sev::kLaunchesPath.size()), subject);
  }
  if (path.starts_with(kWorkloadsPath)) return route_admin(request);
  if (path.starts_with(kTokensPath)) return route_tokens(request);
  return no_such_request(request);
}

Result<BrokerReply> Service::route_admin(const BrokerRequest& request) {
  std::string_view below = std::string_view(request.path).substr(kWorkloadsPath.size());
  const std::string& method = request.method;
  if (below.empty() && method == "POST") return put_workload(request);
  if (below.empty() && method == "GET") return list_workloads(request);
  if (!below.starts_with('/')) return no_such_request(request);
  below.remove_prefix(1);
  const size_t slash = std::min(below.find('/'), below.size());
  const std::string reference(below.substr(0, slash));
  const std::string_view part = below.substr(slash);
  if (reference.empty()) return no_such_request(request);
  if (part.empty() && method == "GET") return show_workload(request, reference);
  if (part.empty() && method == "DELETE") return remove_workload(request, reference);
  if (part == "/audit" && method == "GET") return audit(request, reference);
  if (part == "/key" && method == "PUT") return rotate_key(request, reference);
  if (part == "/expiry" && method == "PUT") return set_expiry(request, reference);
  return no_such_request(request);
}

Result<BrokerReply> Service::auth(const BrokerRequest& request) {
  Tee tee = TRY(parse_auth(request.body));
  KbsSessions::Opened session = TRY(sessions_.open(tee, options_.clock()));
  BrokerReply reply = reply_json({{"nonce", session.nonce}, {"extra-params", ""}});
  reply.set_cookie = cookie_of(session.id, session.expires);
  return reply;
}

// A nonce is consumed by the first attempt whether or not it succeeds; otherwise a guest could
// retry against one nonce.
Result<BrokerReply> Service::attest(const BrokerRequest& request, Subject& subject) {
  std::string id = session_id(request.cookie);
  std::optional<KbsSession> session =
      TRY(sessions_.consume(id, options_.clock(), https::group_of(request.address)));
  if (!session) return no_session();
  subject.tee = session->tee;
  AttestMessage message = TRY(parse_attest(request.body));
  if (message.nonce != session->nonce) {
    return refused(std::string(kOrigin), "nonce", session->nonce, message.nonce,
                   "nonce is not the one of this session");
  }
  auto report_data =
      TRY(client::report_data(message.nonce, message.tee_public_key, message.additional_evidence));
  Evidence evidence = TRY(evidence_from_json(message.primary_evidence, session->tee));
  // Whose guest it would be, if it is genuine.
  const Bytes host_data = TRY(show_evidence(evidence)).host_data;
  const Store::Signed found = TRY(registration_for(request, message, host_data));
  const Workload& workload = found.registration.workload;
  subject.workload_id = workload.id;
  Result<VerifiedEvidence> verified = appraise(workload, evidence, report_data);
  TRY(store_.add_to_audit(decision_of(
      entry_about(workload.id, workload.workload_digest, request.address, options_.clock()),
      verified.ok() ? nullptr : &verified.error(), message.primary_evidence)));
  VerifiedEvidence good = TRY(std::move(verified));

  session->workload_id = workload.id;
  session->judged = judged_by(found.registration, found.version);
  session->tee_public_key = message.tee_public_key;
  sessions_.bind(id, *session);
  Json runtime = {{"nonce", message.nonce}, {"tee-pubkey", message.tee_public_key}};
  std::string token =
      TRY(make_token(token_key_, good, runtime, session->token_id, options_.clock()));
  BrokerReply reply = reply_json({{"token", token}});
  reply.set_cookie = cookie_of(id, options_.clock() + kKbsSessionSeconds);
  return reply;
}

Result<Store::Signed> Service::by_digest(ByteView host_data, int64_t now) {
  return Store::Signed{TRY(store_.registered(host_data, now)), 0};
}

// A statement of a signer that is registered decides: a digest that somebody else registered does
// not take its builds away. Without one, or of no such signer, the digest does.
Result<Store::Signed> Service::registration_for(const BrokerRequest& request,
                                                const AttestMessage& message, ByteView host_data) {
  const int64_t now = options_.clock();
  if (message.statement.empty()) return by_digest(host_data, now);
  auto by_signer = store_.registered_by_signer(message.statement, host_data, now);
  if (!by_signer.ok() && by_signer.error().reason == "host_data") return by_digest(host_data, now);
  // Its owner learns of versions that go back. Strangers choose the digest, so it is left out: what
  // the audit keeps of a workload and a digest is bounded.
  if (!by_signer.ok() && by_signer.error().code == ErrorCode::verification_failed) {
    const auto claimed = TRY(evidence::unverified_statement(message.statement));
    TRY(store_.add_to_audit(decision_of(entry_about(claimed.workload_id, {}, request.address, now),
                                        &by_signer.error(), message.primary_evidence)));
  }
  return by_signer;
}

// The host's own requests: it is neither guest nor owner, and brings nothing that is believed
// unproven.
Result<BrokerReply> Service::sev_launch(const BrokerRequest& request, std::string_view below,
                                        Subject& subject) {
  if (below.empty())
    return reply_json(
        TRY(sev_launches_.open(request.body, request.address, options_.clock(), subject)));
  std::string id(below.substr(below.starts_with('/') ? 1 : 0));
  return reply_json(
      TRY(sev_launches_.judge(id, request.body, request.address, options_.clock(), subject)));
}

Result<VerifiedEvidence> Service::appraise(const Workload& workload, const Evidence& evidence,
                                           ByteView report_data) {
  EvidencePolicy policy;
  policy.allow_simulated = workload.allow_simulated;
  policy.allow_debug = workload.allow_debug;
  policy.measurements = workload.measurements;
  policy.host_data = workload.workload_digest;
  policy.report_data.assign(report_data.begin(), report_data.end());
  policy.minimum_tcb = workload.minimum_tcb;
  policy.json = workload.policy;
  policy.collateral = options_.collateral;
  policy.now = options_.clock();
  return verify_evidence(evidence, policy);
}

// Both ways lead to the same session, so to the same registration.
std::optional<KbsSession> Service::attested_session(const BrokerRequest& request) {
  const int64_t now = options_.clock();
  std::string id = session_id(request.cookie);
  std::string_view given = request.authorization;
  if (!id.empty() || !given.starts_with(kBearer)) return sessions_.attested(id, now);
  auto token_id = session_of_token(token_key_, given.substr(kBearer.size()), now);
  return token_id ? sessions_.attested_by_token(*token_id, now) : std::nullopt;
}

Result<BrokerReply> Service::get_resource(const BrokerRequest& request, const std::string& path,
                                          Subject& subject) {
  TRY(client::check_resource_path(path));
  std::optional<KbsSession> session = attested_session(request);
  if (!session) return no_session();
  subject = {session->workload_id, session->tee};
  Result<SecretBytes> secret = store_.release(session->judged, path, options_.clock());
  if (!secret.ok()) {
    TRY(store_.add_to_audit(decision_of(entry_about(session->workload_id, session->judged.digest,
                                                    request.address, options_.clock()),
                                        &secret.error(), "null")));
    return std::move(secret).error();
  }
  return reply_json(TRY(crypto::jwe_encrypt(session->tee_public_key, secret->bytes())));
}

// The hashes are compared, all of them, and in constant time: neither content nor length of a token
// shows in the timing.
Result<std::string> Service::authorize(const BrokerRequest& request, TokenScope needed) {
  std::optional<AdminToken> found;
  std::string_view given = request.authorization;
  if (given.starts_with(kBearer)) {
    given.remove_prefix(kBearer.size());
    const auto hash = crypto::sha256(as_bytes(given));
    std::vector<AdminToken> all;  // what is no token of ours does not keep the store busy
    if (given.size() == 2 * kTokenBytes) all = TRY(store_.tokens());
    for (AdminToken& one : all)
      if (crypto::equal_constant_time(hash, one.hash)) found = std::move(one);
    if (crypto::equal_constant_time(hash, options_.admin_token_hash))
      found = AdminToken{kFileTokenName, TokenScope::admin};
  }
  if (!found) {
    return make_error(ErrorCode::permission_denied, std::string(kOrigin),
                      "admin token is missing or wrong");
  }
  if (found->expires != 0 && found->expires <= options_.clock()) {
    return make_error(ErrorCode::permission_denied, std::string(kOrigin),
                      "token \"{}\" has expired", found->name);
  }
  if (found->scope < needed) {
    return make_error(ErrorCode::permission_denied, std::string(kOrigin),
                      "token \"{}\" has scope {}, and this needs scope {}", found->name,
                      to_string(found->scope), to_string(needed));
  }
  if (options_.log && request.method == "GET") {  // changes have lines of their own
    options_.log(LogLevel::info,
                 client::one_line(fmt::format("broker: read: {} (token \"{}\") from {}",
                                              request.path, found->name, request.address)));
  }
  return found->name;
}

Result<BrokerReply> Service::route_tokens(const BrokerRequest& request) {
  std::string_view below = std::string_view(request.path).substr(kTokensPath.size());
  if (below.empty() && request.method == "POST") return create_token(request);
  if (below.empty() && request.method == "GET") return list_tokens(request);
  if (below.size() > 1 && below.starts_with('/') && request.method == "DELETE")
    return revoke_token(request, std::string(below.substr(1)));
  return no_such_request(request);
}

Result<BrokerReply> Service::create_token(const BrokerRequest& request) {
  const std::string by = TRY(authorize(request, TokenScope::admin));
  AdminToken token = TRY(parse_token_request(request.body));
  token.created = options_.clock();
  if (token.expires != 0 && token.expires <= token.created)
    return invalid(std::string(kOrigin), "token: expires {} is past", token.expires);
  const SecretBytes text = TRY(random_token());
  token.hash = crypto::sha256(text.bytes());
  TRY(store_.add_token(token, who(request, by)));
  log_token(request, by, kTokenCreated, token.name);
  return BrokerReply{200, "application/json", {}, token_reply(token, text)};
}

Result<BrokerReply> Service::list_tokens(const BrokerRequest& request) {
  TRY(authorize(request, TokenScope::admin));
  Json list = Json::array();
  for (const AdminToken& token : TRY(store_.tokens())) list.push_back(public_part(token));
  return reply_json(list);
}

Result<BrokerReply> Service::revoke_token(const BrokerRequest& request, const std::string& name) {
  const std::string by = TRY(authorize(request, TokenScope::admin));
  TRY(check_token_name(name));
  TRY(store_.remove_token(name, who(request, by)));
  log_token(request, by, kTokenRevoked, name);
  return reply_json({{"name", name}});
}

Result<BrokerReply> Service::put_resource(const BrokerRequest& request, const std::string& path) {
  const std::string by = TRY(authorize(request, TokenScope::registers));
  TRY(client::check_resource_path(path));
  const SecretBytes key = TRY(disk_key_of(request.body));
  const Registration changed = TRY(store_.put_resource(path, key, who(request, by)));
  log_change(request, by, kKeyRotated, changed.workload);
  return BrokerReply{200, "text/xml", {}, {}};
}

Result<BrokerReply> Service::put_workload(const BrokerRequest& request) {
  const std::string by = TRY(authorize(request, TokenScope::registers));
  RegistrationMessage registration = TRY(parse_registration(request.body));
  const Workload& workload = registration.workload;
  const Store::Put put = TRY(store_.put_workload(workload, registration.replace, who(request, by)));
  const bool replaced = put.replaced != 0;
  if (put.changed) log_change(request, by, replaced ? kReplaced : kRegistered, workload);
  return reply_json({{"id", workload.id},
                     {"workload_digest", to_hex(workload.workload_digest)},
                     {"replaced", replaced}});
}

Result<BrokerReply> Service::list_workloads(const BrokerRequest& request) {
  TRY(authorize(request, TokenScope::read));
  return reply_json(TRY(list_of(TRY(store_.registrations()))));
}

Result<BrokerReply> Service::show_workload(const BrokerRequest& request,
                                           const std::string& reference) {
  TRY(authorize(request, TokenScope::read));
  return reply_json(TRY(public_part(TRY(store_.find(reference)))));
}

Result<BrokerReply> Service::remove_workload(const BrokerRequest& request,
                                             const std::string& reference) {
  const std::string by = TRY(authorize(request, TokenScope::admin));
  const Registration removed = TRY(store_.remove(reference, who(request, by)));
  log_change(request, by, kRemoved, removed.workload);
  return reply_json({{"id", removed.workload.id}});
}

Result<BrokerReply> Service::rotate_key(const BrokerRequest& request,
                                        const std::string& reference) {
  const std::string by = TRY(authorize(request, TokenScope::registers));
  const SecretBytes key = TRY(disk_key_of(request.body));
  const Registration changed = TRY(store_.rotate_key(reference, key, who(request, by)));
  log_change(request, by, kKeyRotated, changed.workload);
  return reply_json(TRY(public_part(changed)));
}

Result<BrokerReply> Service::set_expiry(const BrokerRequest& request,
                                        const std::string& reference) {
  const std::string by = TRY(authorize(request, TokenScope::registers));
  const Registration changed =
      TRY(store_.set_expiry(reference, TRY(parse_expiry(request.body)), who(request, by)));
  log_change(request, by, kExpirySet, changed.workload);
  return reply_json(TRY(public_part(changed)));
}

Result<BrokerReply> Service::audit(const BrokerRequest& request, const std::string& reference) {
  TRY(authorize(request, TokenScope::read));
  // Decisions remain when a registration is removed.
  std::string entries = TRY(store_.audit_of(reference));
  if (entries == "[]") TRY(store_.find(reference));
  return BrokerReply{200, "application/json", {}, SecretBytes::from_string(entries)};
}

Store::Who Service::who(const BrokerRequest& request, const std::string& token) const {
  return {request.address, options_.clock(), token};
}

void Service::log_change(const BrokerRequest& request, const std::string& token, const char* kind,
                         const Workload& workload) const {
  if (!options_.log) return;
  options_.log(LogLevel::info,
               client::one_line(fmt::format(
                   "broker: workload \"{}\" (digest {}): {} (token \"{}\") from {}", workload.id,
                   to_hex(workload.workload_digest), kind, token, request.address)));
}

void Service::log_token(const BrokerRequest& request, const std::string& by, const char* kind,
                        const std::string& what) const {
  if (!options_.log) return;
  options_.log(LogLevel::warning,
               client::one_line(fmt::format("broker: {}: {} (token \"{}\") from {}", kind, what, by,
                                            request.address)));
}

// One line for each decision about a guest, and one for each other request that was refused.
void Service::log_decision(const BrokerRequest& request, const Subject& subject,
                           const Error* refusal) const {
  if (!options_.log || (refusal == nullptr && subject.workload_id.empty())) return;
  LogLevel level = LogLevel::info;
  if (refusal != nullptr)
    level = client::status_of(refusal->code) == 500 ? LogLevel::error : LogLevel::warning;
  std::string_view path = request.path;  // of a SEV launch without its id, which is a secret
  if (path.starts_with(sev::kLaunchesPath)) path = sev::kLaunchesPath;
  std::string text =
      fmt::format("broker: {}: {} {} from {}", refusal == nullptr ? "allowed" : "refused",
                  request.method, path, request.address);
  if (!subject.workload_id.empty()) text += fmt::format(", workload \"{}\"", subject.workload_id);
  if (subject.tee != Tee::none)
    text += fmt::format(", TEE {}", evidence::kbs_tee_name(subject.tee));
  if (refusal != nullptr) text += ": " + refusal->describe();
  options_.log(level, client::one_line(std::move(text)));
}

}  // namespace bartizan::attest::broker
