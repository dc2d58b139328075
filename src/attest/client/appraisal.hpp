// What a broker found about a guest, for the guest's log. A broker that denies a key by its policy
// gives no reason beside it; the token that it gave before has the appraisal.
#pragma once

#include <string>
#include <string_view>

namespace bartizan::attest::client {

constexpr size_t kMaxTokenBytes = 64 << 10;

// "; its appraisal: cpu0 contraindicated, executables 33, hardware 97" from an attestation token (an
// EAR as a JWT: draft-ietf-rats-ear §4), whose signature does not matter here. Empty: no token that
// can be read. For hostile bytes; one line.
std::string appraisal_in(std::string_view token);

}  // namespace bartizan::attest::client
