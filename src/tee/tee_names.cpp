#include <array>

#include "bartizan/tee.hpp"
#include "base/errors.hpp"

namespace bartizan {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"none",   "simulated", "sev",
                                                    "sev-es", "snp",       "tdx"};

}  // namespace

std::string_view to_string(Tee tee) {
  auto index = static_cast<size_t>(tee);
  return index < kNames.size() ? kNames[index] : "unknown";
}

Result<Tee> tee_from_string(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); i++) {
    if (kNames[i] == name) return static_cast<Tee>(i);
  }
  return make_error(ErrorCode::invalid_argument, "tee",
                    "TEE \"{}\" is unknown: none, simulated, sev, sev-es, snp or tdx", name);
}

}  // namespace bartizan
