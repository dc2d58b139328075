// The attestation token of /attest: an EAR (draft-ietf-rats-ear) as a JWT under ES256, with the
// essential claims of Trustee's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bartizan/attest.hpp"
#include "base/json.hpp"
#include "crypto/ec.hpp"

namespace bartizan::attest::broker {

// How long the token of a verified guest is valid.
constexpr int64_t kAttestationTokenSeconds = 300;

// `session` is the token's id (jti), by which session_of_token() leads back to the session.
Result<std::string> make_token(const crypto::EcKey& key, const VerifiedEvidence& evidence,
                               const Json& runtime_data, const std::string& session, int64_t now);

// Of a token that `key` signed by ES256 and that has not expired; else nothing. What else the token
// says is not believed anew: the session knows it.
std::optional<std::string> session_of_token(const crypto::EcKey& key, std::string_view token,
                                            int64_t now);

}  // namespace bartizan::attest::broker
