#include "attest/broker/admin_post.hpp"

#include <algorithm>

#include "attest/client/kbs_protocol.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr char kOrigin[] = "attest/broker";
constexpr uint32_t kTimeoutMs = 30'000;
constexpr size_t kLeastSecret = 4;  // shorter ones are in every text

bool is_letter_or_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool repeats(const std::string& text, const SecretBytes& secret) {
  if (secret.size() < kLeastSecret) return false;
  return text.find(secret.view()) != std::string::npos ||
         text.find(to_base64(secret.bytes())) != std::string::npos ||
         text.find(to_hex(secret.bytes())) != std::string::npos;
}

// A server that quotes what it could not read may well quote the key.
Error without_secrets(Error error, const std::string& url, int status,
                      const std::vector<const SecretBytes*>& secrets) {
  for (const SecretBytes* secret : secrets) {
    for (const std::string* text : {&error.message, &error.reason, &error.expected, &error.got}) {
      if (!repeats(*text, *secret)) continue;
      return make_error(error.code, "broker",
                        "{}: HTTP status {}, with an answer that repeats a secret", url, status);
    }
  }
  return error;
}

struct AdminAnswer {
  int status = 0;
  Bytes body;
  std::string url;  // that was asked
};

// `request.path` is behind the prefix of the broker's URL.
Result<AdminAnswer> ask(const BrokerAccess& access, client::HttpRequest request,
                        const std::optional<std::string>& authorization) {
  Target target = TRY(parse_target(access.url));
  request.path = target.prefix + request.path;
  if (authorization) request.headers.emplace_back("Authorization", *authorization);
  auto client = TRY(client::HttpsClient::create(
      target.origin, access.ca_pem, client::Deadline::after_ms(kTimeoutMs), kMaxAnswer));
  client::HttpResponse response = TRY(client.send(request));
  return AdminAnswer{response.status, std::move(response.body),
                     client.endpoint().url + request.path};
}

Error refusal_in(const AdminAnswer& answer, const std::vector<const SecretBytes*>& secrets) {
  return without_secrets(client::error_from_answer(answer.status, as_text(answer.body), answer.url),
                         answer.url, answer.status, secrets);
}

}  // namespace

Result<Target> parse_target(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  size_t slash = url.find('/', std::min(url.size(), kScheme.size()));
  Target target{std::string(url.substr(0, slash)), {}};
  if (slash != std::string_view::npos) target.prefix = url.substr(slash);
  while (target.prefix.ends_with('/')) target.prefix.pop_back();
  bool clean = std::all_of(target.prefix.begin(), target.prefix.end(), [](char c) {
    return is_letter_or_digit(c) || std::string_view("._-~/").find(c) != std::string_view::npos;
  });
  if (clean) return target;
  return make_error(ErrorCode::invalid_argument, kOrigin,
                    "url \"{}\": not https://host[:port][/path]", url.substr(0, 200));
}

Result<std::string> bearer(const SecretBytes& token) {
  std::string_view text = token.view();
  while (text.ends_with('\n')) text.remove_suffix(1);
  bool clean = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (clean && !text.empty()) return "Bearer " + std::string(text);
  return make_error(ErrorCode::invalid_argument, kOrigin, "admin token is empty or not printable");
}

Result<std::optional<Bytes>> fetch(const BrokerAccess& access, const std::string& path,
                                   const std::optional<std::string>& authorization) {
  AdminAnswer answer =
      TRY(ask(access, {"GET", path, {{"Accept", "application/json"}}, {}}, authorization));
  if (answer.status == 404) return std::optional<Bytes>();
  if (answer.status == 200) return std::optional<Bytes>(std::move(answer.body));
  return refusal_in(answer, {&access.admin_token, &access.admin_key});
}

Result<void> send_post(const BrokerAccess& access, Post post,
                       const std::vector<const SecretBytes*>& secrets) {
  client::HttpRequest request{"POST",
                              std::move(post.path),
                              {{"Content-Type", post.content_type}, {"Accept", "application/json"}},
                              std::move(post.body)};
  AdminAnswer answer = TRY(ask(access, std::move(request), post.authorization));
  if (answer.status >= 200 && answer.status < 300) return {};
  return refusal_in(answer, secrets);
}

}  // namespace bartizan::attest::broker
