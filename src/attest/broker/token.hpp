// The attestation token of /attest: an EAR (draft-ietf-rats-ear) as a JWT under ES256, with the
// essential claims of Trustee's.
#pragma once

#include <string>

#include "bartizan/attest.hpp"
#include "base/json.hpp"
#include "crypto/ec.hpp"

namespace bartizan::attest::broker {

// How long the token of a verified guest is valid.
constexpr int64_t kAttestationTokenSeconds = 300;

Result<std::string> make_token(const crypto::EcKey& key, const VerifiedEvidence& evidence,
                               const Json& runtime_data, int64_t now);

}  // namespace bartizan::attest::broker
