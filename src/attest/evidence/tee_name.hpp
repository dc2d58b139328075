// The names that TEEs have in the KBS protocol.
#pragma once

#include <optional>
#include <string_view>

#include "bartizan/tee.hpp"
#include "manifest/stations.hpp"

namespace bartizan {

constexpr std::string_view kbs_tee_name(Tee tee) {
  switch (tee) {
    case Tee::simulated:
      return contract::kSimulatedTeeName;
    case Tee::snp:
      return "snp";
    case Tee::tdx:
      return "tdx";
    case Tee::sev:
      return "sev";
    case Tee::sev_es:
      return "sev-es";
    case Tee::none:
      break;
  }
  return "none";
}

// Those whose evidence this version can verify.
constexpr std::optional<Tee> verifiable_tee(std::string_view name) {
  if (name == kbs_tee_name(Tee::snp)) return Tee::snp;
  if (name == kbs_tee_name(Tee::simulated)) return Tee::simulated;
  return std::nullopt;
}

}  // namespace bartizan
