// JSON from outside, with bounds, and JSON Canonicalization Scheme text (RFC 8785) for what gets
// hashed.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan {

using Json = nlohmann::json;

// Parses `text`. `corrupt` if it is not JSON, nests deeper than 32 (a hostile file must not exhaust
// the stack), or holds the same key twice in one object (two readers must not see two documents).
// `what` names it in errors.
Result<Json> parse_json(std::string_view text, std::string_view what);

// RFC 8785 for the subset that bartizan writes: objects, arrays, strings, booleans, null and
// integers within ±(2^53 - 1). Anything else is invalid_argument.
Result<std::string> canonical_json(const Json& value);

// `text` in quotes, as a JSON string; bytes that are not UTF-8 are replaced.
std::string json_quoted(std::string_view text);

// Member access that names the path on failure: `corrupt`, "manifest: disk.verity.root_hash: not a
// string".
Result<const Json*> json_member(const Json& object, std::string_view key, std::string_view what);
Result<std::string> json_string(const Json& object, std::string_view key, std::string_view what);
Result<uint64_t> json_unsigned(const Json& object, std::string_view key, std::string_view what);
Result<bool> json_bool(const Json& object, std::string_view key, std::string_view what);

}  // namespace bartizan
