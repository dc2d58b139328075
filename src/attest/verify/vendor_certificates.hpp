// AMD's certificates of each product, built in: ARK (root), ASK (signs VCEKs) and ASVK (signs
// VLEKs). Roots are recognized by the hash of their public key. Bergamo and Siena have Genoa's.
// Intel's root is recognized likewise; its certificate is in every quote.
#pragma once

#include <optional>
#include <string_view>

#include "attest/evidence/snp_report.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {

enum class SignerKind { vcek, vlek };

// Nothing: it is no root of AMD's. In lower-case hexadecimal.
std::optional<evidence::Product> product_of_amd_root(std::string_view public_key_hash);

Result<crypto::Certificate> amd_root(evidence::Product product);
Result<crypto::Certificate> amd_authority(evidence::Product product, SignerKind signer);

}  // namespace bartizan::attest::verify
