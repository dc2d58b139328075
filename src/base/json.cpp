#include "base/json.hpp"

#include <set>

#include "base/errors.hpp"

namespace bartizan {
namespace {

// A document nested deeper than this comes from an attacker who wants our stack, not from an image
// tool.
constexpr int kMaxDepth = 32;
// RFC 8785 §3.2.2.3: IEEE doubles hold no more
constexpr int64_t kMaxExactInteger = (int64_t{1} << 53) - 1;

// Watches a parse for depth and duplicate keys, which nlohmann::json would accept.
class Watcher {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) problem_ = "nested too deeply";
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys_.empty()) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.empty() &&
        !keys_.back().insert(parsed.get<std::string>()).second) {
      problem_ = "key \"" + parsed.get<std::string>() + "\" appears twice";
    }
    return problem_.empty();
  }
  const std::string& problem() const { return problem_; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

bool is_ascii(std::string_view text) {
  for (char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

// nlohmann's compact dump equals RFC 8785 when numbers are exact integers and keys are ASCII (whose
// byte order is their UTF-16 order); this refuses the rest.
Result<void> check_canonical(const Json& value) {
  if (value.is_number_float())
    return make_error(ErrorCode::invalid_argument, "base/json", "no canonical form for a fraction");
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(kMaxExactInteger)) {
    return make_error(ErrorCode::invalid_argument, "base/json", "integer beyond 2^53 - 1");
  }
  if (value.is_number_integer() && !value.is_number_unsigned() &&
      value.get<int64_t>() < -kMaxExactInteger) {
    return make_error(ErrorCode::invalid_argument, "base/json", "integer below -(2^53 - 1)");
  }
  if (value.is_array()) {
    for (const Json& item : value) TRY(check_canonical(item));
  }
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      if (!is_ascii(key))
        return make_error(ErrorCode::invalid_argument, "base/json", "key is not ASCII");
      TRY(check_canonical(item));
    }
  }
  return {};
}

Error wrong_type(std::string_view what, std::string_view key, std::string_view type) {
  return make_error(ErrorCode::corrupt, "base/json", "{}: {}: not {}", what, key, type);
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
  Watcher watcher;
  Json value = Json::parse(
      text.begin(), text.end(),
      [&watcher](int depth, Json::parse_event_t event, Json& parsed) {
        return watcher(depth, event, parsed);
      },
      /*allow_exceptions=*/false);
  if (!watcher.problem().empty()) {
    return make_error(ErrorCode::corrupt, "base/json", "{}: {}", what, watcher.problem());
  }
  if (value.is_discarded())
    return make_error(ErrorCode::corrupt, "base/json", "{}: not valid JSON", what);
  return value;
}

Result<std::string> canonical_json(const Json& value) {
  TRY(check_canonical(value));
  try {
    return value.dump();
  } catch (const Json::exception&) {  // a string that is not UTF-8
    return make_error(ErrorCode::invalid_argument, "base/json", "text is not UTF-8");
  }
}

std::string json_quoted(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<const Json*> json_member(const Json& object, std::string_view key, std::string_view what) {
  if (!object.is_object())
    return make_error(ErrorCode::corrupt, "base/json", "{}: not an object", what);
  auto found = object.find(std::string(key));
  if (found == object.end())
    return make_error(ErrorCode::corrupt, "base/json", "{}: {} is missing", what, key);
  return &*found;
}

Result<std::string> json_string(const Json& object, std::string_view key, std::string_view what) {
  const Json* member = TRY(json_member(object, key, what));
  if (!member->is_string()) return wrong_type(what, key, "a string");
  return member->get<std::string>();
}

Result<uint64_t> json_unsigned(const Json& object, std::string_view key, std::string_view what) {
  const Json* member = TRY(json_member(object, key, what));
  if (!member->is_number_unsigned()) return wrong_type(what, key, "an unsigned integer");
  return member->get<uint64_t>();
}

Result<bool> json_bool(const Json& object, std::string_view key, std::string_view what) {
  const Json* member = TRY(json_member(object, key, what));
  if (!member->is_boolean()) return wrong_type(what, key, "a boolean");
  return member->get<bool>();
}

}  // namespace bartizan
