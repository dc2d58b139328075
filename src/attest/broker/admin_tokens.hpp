// Tokens of administrators: what each may do, and until when. The store has their hashes; a token
// itself is shown once, to whoever made it. The token in the state folder is one of scope admin
// that is named "admin" and has no end.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::broker {

constexpr size_t kTokenBytes = 32;
constexpr size_t kMaxTokens = 256;
constexpr size_t kMaxTokenName = 64;
constexpr const char* kFileTokenName = "admin";

// Each may do what those before it may.
enum class TokenScope {
  read,       // list, show, audit
  registers,  // "register": and register, rotate keys, set an expiry
  admin,      // and unregister; tokens
};
std::string_view to_string(TokenScope scope);
Result<TokenScope> token_scope_from_string(std::string_view name);  // invalid_argument

struct AdminToken {
  std::string name;
  TokenScope scope = TokenScope::read;
  int64_t created = 0, expires = 0;  // seconds since the epoch; 0: never
  crypto::Sha256Digest hash{};       // of the token's text
};

// kTokenBytes random bytes in hexadecimal.
Result<SecretBytes> random_token();
// Letters, digits, '_', '-' and '.', at most kMaxTokenName; "admin" is taken. invalid_argument.
Result<void> check_token_name(std::string_view name);

}  // namespace bartizan::attest::broker
