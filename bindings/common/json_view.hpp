// The JSON form of public results: members are named as in include/bartizan/, bytes are lower-case
// hexadecimal, and no secret is ever in it. `manifest` is the manifest's exact text, because its
// digest is what counts.
//
// to_text never throws for bytes that are not UTF-8 (a file name in a message can hold any): it
// replaces them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/attest.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::view {

// Ordered: a person reads it too.
using Json = nlohmann::ordered_json;

Json to_json(const Error& error);
#include "common/generated/json_view.inc"

template <typename Result>
Json to_json(const std::vector<Result>& results) {
  Json list = Json::array();
  for (const Result& result : results) list.push_back(to_json(result));
  return list;
}

// Parts of a result.
std::string text_of(const std::vector<uint8_t>& bytes);
Json hex_list(const std::vector<std::vector<uint8_t>>& list);
Json names_of(const std::vector<Tee>& tees);
Json by_kind(const std::vector<std::pair<std::string, uint64_t>>& counts);

std::string to_text(const Json& json, int indent = -1);

// "exit_code" for ExitKind::exit_code.
std::string_view to_string(ExitKind kind);

}  // namespace bartizan::view
