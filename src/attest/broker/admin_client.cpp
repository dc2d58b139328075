// The owner's side of the admin API.

#include <algorithm>
#include <array>
#include <ctime>

#include "attest/broker/admin_post.hpp"
#include "attest/broker/messages.hpp"
#include "attest/broker/register_workload.hpp"
#include "attest/broker/store.hpp"
#include "attest/broker/trustee.hpp"
#include "attest/client/https_client.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "bartizan/broker.hpp"
#include "base/errors.hpp"

namespace bartizan {
using namespace attest::broker;  // NOLINT: the public functions of this component
namespace {

constexpr size_t kHeadBytes = 32;
constexpr uint32_t kTimeoutMs = 30'000;
constexpr std::string_view kTokens = "/bartizan/v1/tokens";
constexpr std::string_view kWorkloads = "/bartizan/v1/workloads";
constexpr std::array<std::pair<BrokerKind, std::string_view>, 3> kKinds = {
    {{BrokerKind::bartizan, "bartizan"},
     {BrokerKind::trustee, "trustee"},
     {BrokerKind::register_workload, "register-workload"}}};

Result<std::string> call(const BrokerAccess& access, attest::client::HttpRequest request) {
  request.headers.emplace_back("Authorization", TRY(attest::broker::bearer(access.admin_token)));
  auto client = TRY(attest::client::HttpsClient::create(
      access.url, access.ca_pem, attest::client::Deadline::after_ms(kTimeoutMs),
      attest::broker::kMaxAnswer));
  attest::client::HttpResponse response = TRY(client.send(request));
  if (response.status == 200) return std::string(as_text(response.body));
  return attest::client::error_from_answer(response.status, as_text(response.body),
                                           client.endpoint().url);
}

Result<void> check_id(std::string_view id) {
  const bool segment = !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (segment) return {};
  return make_error(ErrorCode::invalid_argument, "attest/broker",
                    "workload id is empty or has other characters than "
                    "letters, digits, '_', '-' and '.'");
}

// Trustee and old servers have no such requests.
Result<void> require_ours(const BrokerAccess& access) {
  if (access.kind == BrokerKind::bartizan) return {};
  return make_error(ErrorCode::unsupported, "attest/broker",
                    "broker kind {}: its registrations can be registered only: list, show, change "
                    "and remove them with its own tools",
                    to_string(access.kind));
}

}  // namespace

std::string_view to_string(BrokerKind kind) {
  for (const auto& [named, name] : kKinds) {
    if (named == kind) return name;
  }
  return "unknown";
}

Result<BrokerKind> broker_kind_from_string(std::string_view name) {
  for (const auto& [kind, known] : kKinds) {
    if (known == name) return kind;
  }
  return make_error(ErrorCode::invalid_argument, "attest/broker",
                    "broker kind \"{}\": bartizan, trustee or register-workload",
                    name.substr(0, 40));
}

Result<void> register_workload(const BrokerAccess& access, const Workload& workload) {
  if (access.kind == BrokerKind::trustee)
    return attest::broker::register_with_trustee(access, workload, std::time(nullptr));
  if (access.kind == BrokerKind::register_workload)
    return attest::broker::register_workload_at(access, workload);
  SecretBytes body = TRY(attest::broker::write_registration(workload, access.replace));
  attest::client::HttpRequest request{
      "POST", std::string(kWorkloads), {{"Content-Type", "application/json"}}, std::move(body)};
  TRY(call(access, std::move(request)));
  return {};
}

namespace {

Result<std::string> call_for(const BrokerAccess& access, const char* method,
                             const std::string& workload, const char* part, SecretBytes body = {}) {
  TRY(require_ours(access));
  TRY(check_id(workload));
  attest::client::HttpRequest request{
      method, fmt::format("{}/{}{}", kWorkloads, workload, part), {}, std::move(body)};
  return call(access, std::move(request));
}

}  // namespace

Result<std::string> broker_audit(const BrokerAccess& access, const std::string& workload) {
  return call_for(access, "GET", workload, "/audit");
}

Result<void> unregister_workload(const BrokerAccess& access, const std::string& workload) {
  TRY(call_for(access, "DELETE", workload, ""));
  return {};
}

Result<std::string> list_workloads(const BrokerAccess& access) {
  TRY(require_ours(access));
  return call(access, {"GET", std::string(kWorkloads), {}, {}});
}

Result<std::string> show_workload(const BrokerAccess& access, const std::string& workload) {
  return call_for(access, "GET", workload, "");
}

Result<void> rotate_key(const BrokerAccess& access, const std::string& workload,
                        const SecretBytes& disk_key) {
  TRY(check_disk_key(disk_key));
  TRY(call_for(access, "PUT", workload, "/key", SecretBytes(disk_key.bytes())));
  return {};
}

Result<void> expire_workload(const BrokerAccess& access, const std::string& workload, int64_t at) {
  const Json body = {{"expires", at}};
  TRY(call_for(access, "PUT", workload, "/expiry", SecretBytes::from_string(body.dump())));
  return {};
}

Result<SecretBytes> create_token(const BrokerAccess& access, const std::string& name,
                                 const std::string& scope, int64_t expires) {
  TRY(require_ours(access));
  TRY(check_token_name(name));
  TRY(token_scope_from_string(scope));
  const Json body = {{"name", name}, {"scope", scope}, {"expires", expires}};
  return token_of_reply(
      TRY(call(access, {"POST", std::string(kTokens), {}, SecretBytes::from_string(body.dump())})));
}

Result<std::string> list_tokens(const BrokerAccess& access) {
  TRY(require_ours(access));
  return call(access, {"GET", std::string(kTokens), {}, {}});
}

Result<void> revoke_token(const BrokerAccess& access, const std::string& name) {
  TRY(require_ours(access));
  TRY(check_token_name(name));
  TRY(call(access, {"DELETE", fmt::format("{}/{}", kTokens, name), {}, {}}));
  return {};
}

Result<std::string> verify_audit(const std::filesystem::path& state,
                                 const std::string& noted_head) {
  auto noted = from_hex(noted_head);
  if (!noted.ok() || (!noted->empty() && noted->size() != kHeadBytes))
    return invalid("attest/broker", "noted_head \"{}\": not 64 hexadecimal digits",
                   noted_head.substr(0, 100));
  const auto path = state / kStoreFile;
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) {
    return make_error(ErrorCode::not_found, "attest/broker", "{}: no store of a broker is there",
                      path.string());
  }
  const AuditChain chain = TRY(TRY(Store::open_as_it_is(path)).verify_audit(*noted));
  return Json{{"entries", chain.entries}, {"head", to_hex(chain.head)}, {"outside", chain.outside}}
      .dump();
}

}  // namespace bartizan
