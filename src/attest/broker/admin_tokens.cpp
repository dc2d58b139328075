#include "attest/broker/admin_tokens.hpp"

#include <algorithm>
#include <array>

#include "base/errors.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr std::array<std::pair<TokenScope, std::string_view>, 3> kScopes = {
    {{TokenScope::read, "read"},
     {TokenScope::registers, "register"},
     {TokenScope::admin, "admin"}}};

}  // namespace

std::string_view to_string(TokenScope scope) {
  for (const auto& [named, name] : kScopes)
    if (named == scope) return name;
  return "unknown";
}

Result<TokenScope> token_scope_from_string(std::string_view name) {
  for (const auto& [scope, known] : kScopes)
    if (known == name) return scope;
  return invalid("attest/broker", "scope \"{}\": read, register or admin", name.substr(0, 40));
}

Result<SecretBytes> random_token() {
  const SecretBytes random = TRY(crypto::random_secret(kTokenBytes));
  SecretBytes text(kTokenBytes * 2);
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < kTokenBytes; ++i) {
    text.mutable_bytes()[2 * i] = static_cast<uint8_t>(kDigits[random.bytes()[i] >> 4]);
    text.mutable_bytes()[2 * i + 1] = static_cast<uint8_t>(kDigits[random.bytes()[i] & 15]);
  }
  return text;
}

Result<void> check_token_name(std::string_view name) {
  const bool word = std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (name.empty() || name.size() > kMaxTokenName || !word) {
    return invalid("attest/broker", "token's name: not 1 to {} letters, digits, '_', '-' and '.'",
                   kMaxTokenName);
  }
  if (name != kFileTokenName) return {};
  return invalid("attest/broker", "token's name \"{}\": that of the token in the state folder",
                 name);
}

}  // namespace bartizan::attest::broker
