// The names that TEEs have in the KBS protocol.
#pragma once

#include <optional>
#include <string_view>

#include "bartizan/tee.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::attest::evidence {

constexpr std::string_view kbs_tee_name(Tee tee) {
  switch (tee) {
    case Tee::simulated:
      return guest_abi::kSimulatedTeeName;
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

constexpr std::optional<Tee> tee_of_kbs_name(std::string_view name) {
  for (Tee tee : {Tee::none, Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    if (name == kbs_tee_name(tee)) return tee;
  }
  return std::nullopt;
}

// Launched with an owner who judges before the guest runs; such guests bring no evidence.
constexpr bool is_pre_attested(Tee tee) {
  return tee == Tee::sev || tee == Tee::sev_es;
}

// Those whose evidence this version can verify.
constexpr std::optional<Tee> verifiable_tee(std::string_view name) {
  for (Tee tee : {Tee::snp, Tee::tdx, Tee::simulated}) {
    if (name == kbs_tee_name(tee)) return tee;
  }
  return std::nullopt;
}

}  // namespace bartizan::attest::evidence
