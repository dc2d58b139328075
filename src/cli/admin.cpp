#include "cli/admin.hpp"

#include <ctime>

#include "base/timestamp.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

void add_access(CLI::App& command, AccessArguments& to) {
  declare(command, text::admin::kBroker, to.url);
  declare(command, text::admin::kCa, to.ca);
  declare(command, text::admin::kTokenFile, to.token_file);
}

Result<BrokerAccess> admin_access(const AccessArguments& arguments) {
  BrokerAccess access;
  access.url = arguments.url;
  access.ca_pem = TRY(read_certificates("--ca", arguments.ca));
  access.admin_token = TRY(read_secret("--token-file", arguments.token_file));
  return access;
}

Result<int64_t> parse_end(const char* option, const std::string& text) {
  if (text == "never") return 0;
  if (text == "now") return std::time(nullptr);
  auto date = parse_date(option, text);
  if (date.ok()) return date;
  return invalid_value(option, text, "never, now, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ (UTC)");
}

Result<view::Json> parsed(const std::string& text, view::Json::value_t type) {
  view::Json json = view::Json::parse(text, nullptr, false);
  if (json.type() == type) return json;
  return make_error(ErrorCode::protocol, "cli", "broker: its answer is not of the form expected");
}

std::string word(const view::Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || found->is_null()) return std::string();
  return found->is_string() ? found->get<std::string>() : view::to_text(*found);
}

int64_t seconds_of(const view::Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string expiry_text(const view::Json& registration) {
  const int64_t expires = seconds_of(registration, "expires");
  if (expires == 0) return "never";
  return rfc3339(expires) + (expires <= std::time(nullptr) ? " (has expired)" : "");
}

}  // namespace bartizan::cli
