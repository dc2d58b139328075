// The judgements of each kind of evidence; judge_evidence() chooses.
#pragma once

#include "attest/verify/checks.hpp"
#include "attest/verify/policy.hpp"
#include "bartizan/attest.hpp"

namespace bartizan::attest::verify {

// The evidence with what it came without, from EvidencePolicy::collateral. What the folder does not
// have stays missing. not_found: there is no such folder; io.
Result<Evidence> add_collateral(Evidence evidence, const std::filesystem::path& folder);

// What the evidence says, unjudged. corrupt: malformed.
Result<VerifiedEvidence> read_snp(const Evidence& evidence);
// Every check; corrupt: the report is malformed.
Result<VerifiedEvidence> judge_snp(const Evidence& evidence, const Demands& demands,
                                   Checks& checks);

// The same of TDX quotes; unsupported: no quote that is known.
Result<VerifiedEvidence> read_tdx(const Evidence& evidence);
Result<VerifiedEvidence> judge_tdx(const Evidence& evidence, const Demands& demands,
                                   Checks& checks);
// Of the PCK certificate, 12 hexadecimal digits: which collateral a quote needs.
Result<std::string> fmspc_of_quote(ByteView quote);

}  // namespace bartizan::attest::verify
