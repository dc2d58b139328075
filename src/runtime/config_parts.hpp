// Reading config.json, of which every part may be absent or of another type than the specification
// gives it.
#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"

namespace bartizan::runtime {

// A member of an object; null if it is absent, or `object` is none.
const Json& member(const Json& object, const char* key);
// Its text; empty: it is none.
std::string text_of(const Json& object, const char* key);

// A text that a caller chose, for an error: quoted, at most 200 bytes of it.
std::string shown(std::string_view text);

}  // namespace bartizan::runtime
