#include "attest/client/appraisal.hpp"

#include "attest/client/kbs_protocol.hpp"
#include "base/json.hpp"

namespace bartizan::attest::client {
namespace {

constexpr size_t kMaxSubmodules = 8;

// The middle one of three parts in base64url (RFC 7519 §3.1); null: not so.
Json claims_of(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? first : token.find('.', first + 1);
  if (second == token.npos || token.size() > kMaxTokenBytes) return {};
  auto text = from_base64(token.substr(first + 1, second - first - 1), Base64::url);
  auto claims = text.ok() ? parse_json(as_text(*text), "token") : Result<Json>(Json());
  return claims.ok() ? *std::move(claims) : Json();
}

const Json* object_in(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found != json.end() && found->is_object() ? &*found : nullptr;
}

// The claims of a trustworthiness vector are numbers (draft-ietf-rats-ar4si §2.3).
std::string text_of(const std::string& name, const Json& submodule) {
  std::string text = name;
  const auto status = submodule.find("ear.status");
  if (status != submodule.end() && status->is_string()) text += " " + status->get<std::string>();
  const Json* vector = object_in(submodule, "ear.trustworthiness-vector");
  if (vector == nullptr) return text;
  for (const auto& [claim, value] : vector->items()) {
    if (value.is_number_integer()) text += ", " + claim + " " + value.dump();
  }
  return text;
}

}  // namespace

std::string appraisal_in(std::string_view token) {
  const Json claims = claims_of(token);
  const Json* submodules = object_in(claims, "submods");
  if (submodules == nullptr) return {};
  std::string text;
  size_t count = 0;
  for (const auto& [name, submodule] : submodules->items()) {
    if (!submodule.is_object() || ++count > kMaxSubmodules) continue;
    text += (text.empty() ? "; its appraisal: " : "; ") + text_of(name, submodule);
  }
  return one_line(std::move(text));
}

}  // namespace bartizan::attest::client
