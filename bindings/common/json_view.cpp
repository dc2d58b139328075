#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

std::string text_of(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

Json hex_list(const std::vector<std::vector<uint8_t>>& list) {
  Json json = Json::array();
  for (const auto& bytes : list) json.push_back(to_hex(bytes));
  return json;
}

Json names_of(const std::vector<Tee>& tees) {
  Json json = Json::array();
  for (Tee tee : tees) json.push_back(bartizan::to_string(tee));
  return json;
}

Json by_kind(const std::vector<std::pair<std::string, uint64_t>>& counts) {
  Json object = Json::object();
  for (const auto& [kind, count] : counts) object[kind] = count;
  return object;
}

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Error& error) {
  return Json{{"code", bartizan::to_string(error.code)},
              {"number", static_cast<int32_t>(error.code)},
              {"os_errno", error.os_errno},
              {"origin", error.origin},
              {"message", error.message},
              {"reason", error.reason},
              {"expected", error.expected},
              {"got", error.got},
              {"advice", advice(error.code)}};
}

}  // namespace bartizan::view
