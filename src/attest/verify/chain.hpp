// Certificate chains of SNP evidence: who signed the VCEK. AMD's roots are pinned by the SHA-256 of
// their public keys; the simulated chain has no root to pin and is recognized by the marker in its
// names.
#pragma once

#include <optional>
#include <vector>

#include "attest/evidence/snp_report.hpp"
#include "bartizan/attest.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {

struct CertificateChain {
  crypto::Certificate vcek, ask, ark;
};

// corrupt: fewer or more than three certificates, or malformed ones.
Result<CertificateChain> parse_chain(const Evidence& evidence);

bool is_simulated(const CertificateChain& chain);  // any of its names has the marker

// verification_failed, reason "certificate_chain" or "date". The product whose root it is: Milan
// for simulated.
Result<evidence::Product> verify_chain(const CertificateChain& chain, bool simulated, int64_t now);

}  // namespace bartizan::attest::verify
