#include "runtime/config_parts.hpp"

namespace bartizan::runtime {

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string shown(std::string_view text) {
  constexpr size_t kMaxShown = 200;
  return Json(std::string(text.substr(0, kMaxShown)))
      .dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace bartizan::runtime
