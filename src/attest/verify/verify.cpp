// judge_evidence(), and verify_evidence() on top of it: the first check that failed is the error.

#include <algorithm>

#include "attest/evidence/tee_name.hpp"
#include "attest/verify/judge.hpp"
#include "bartizan/attest.hpp"
#include "base/errors.hpp"

namespace bartizan {
namespace {

using attest::verify::Checks;
using attest::verify::Demands;

bool has_snp_form(Tee tee) {
  return tee == Tee::snp || tee == Tee::simulated;
}

Error without_verifier(Tee tee) {
  return make_error(ErrorCode::unsupported, "attest/verify",
                    "evidence of TEE {}: there are verifiers of snp, tdx and simulated",
                    attest::evidence::kbs_tee_name(tee));
}

// Simulated evidence is refused by name even if its report or chain is missing or damaged.
std::optional<Error> refuse_simulated(const Evidence& evidence, const Demands& demands) {
  if (evidence.tee != Tee::simulated || demands.allow_simulated) return std::nullopt;
  return refused("attest/verify", "simulated", "a TEE", "simulated",
                 "evidence of the simulated TEE protects nothing and is not allowed here");
}

// The content, with every check in `checks`.
Result<VerifiedEvidence> run_checks(const Evidence& given, const EvidencePolicy& policy,
                                    const Demands& demands, Checks& checks) {
  Evidence evidence = given;
  if (!policy.collateral.empty())
    evidence = TRY(attest::verify::add_collateral(std::move(evidence), policy.collateral));
  if (has_snp_form(evidence.tee)) return attest::verify::judge_snp(evidence, demands, checks);
  if (evidence.tee == Tee::tdx) return attest::verify::judge_tdx(evidence, demands, checks);
  return without_verifier(evidence.tee);
}

}  // namespace

std::string_view to_string(CheckOutcome outcome) {
  switch (outcome) {
    case CheckOutcome::passed:
      return "passed";
    case CheckOutcome::failed:
      return "failed";
    case CheckOutcome::not_applicable:
      break;
  }
  return "not_applicable";
}

Result<EvidenceVerdict> judge_evidence(const Evidence& evidence, const EvidencePolicy& policy) {
  const Demands demands = TRY(attest::verify::read_policy(policy));
  Checks checks;
  EvidenceVerdict verdict;
  verdict.content = TRY(run_checks(evidence, policy, demands, checks));
  verdict.accepted = checks.accepted();
  if (checks.first_failure()) {
    verdict.reason = checks.first_failure()->reason;
    verdict.message = checks.first_failure()->message;
  }
  verdict.checks = checks.take();
  return verdict;
}

Result<VerifiedEvidence> verify_evidence(const Evidence& evidence, const EvidencePolicy& policy) {
  const Demands demands = TRY(attest::verify::read_policy(policy));
  if (auto error = refuse_simulated(evidence, demands)) return *std::move(error);
  Checks checks;
  VerifiedEvidence content = TRY(run_checks(evidence, policy, demands, checks));
  if (checks.first_failure()) return *checks.first_failure();
  return content;
}

Result<VerifiedEvidence> show_evidence(const Evidence& evidence) {
  if (has_snp_form(evidence.tee)) return attest::verify::read_snp(evidence);
  if (evidence.tee == Tee::tdx) return attest::verify::read_tdx(evidence);
  return without_verifier(evidence.tee);
}

}  // namespace bartizan
