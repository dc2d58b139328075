// Certificate chains of SNP evidence: who signed the VCEK or VLEK. AMD's roots are pinned by the
// SHA-256 of their public keys and its authorities are built in; what evidence brings of them is
// used in their place, and judged. The simulated chain has no root to pin and is recognized by the
// marker in its names.
#pragma once

#include <optional>
#include <vector>

#include "attest/evidence/snp_report.hpp"
#include "attest/verify/checks.hpp"
#include "attest/verify/policy.hpp"
#include "bartizan/attest.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {

// What came with the evidence, by role.
struct GivenCertificates {
  std::optional<crypto::Certificate> vcek, vlek, ask, ark;
};
// corrupt: one is malformed; two of one role.
Result<GivenCertificates> sort_certificates(const Evidence& evidence);

bool is_simulated(const GivenCertificates& given);  // any of its names has the marker

struct CertificateChain {
  crypto::Certificate leaf, authority, root;
  evidence::Product product = evidence::Product::milan;
  bool simulated = false;
};

// Checks "certificates", "root", "certificate_chain", "certificate_dates": nothing if there is no
// chain that ends in an accepted root; dates and revocation do not count for that. `expected` is
// the product by the report, for choosing built-in authorities.
std::optional<CertificateChain> check_chain(Checks& checks, const GivenCertificates& given,
                                            SignerKind signer, bool simulated,
                                            std::optional<evidence::Product> expected,
                                            const Demands& demands);

// Check "revocation".
void check_revocation(Checks& checks, const CertificateChain& chain,
                      const std::vector<std::vector<uint8_t>>& lists, const Demands& demands);

}  // namespace bartizan::attest::verify
