// Intel's extension of PCK certificates, 1.2.840.113741.1.13.1 (Intel SGX PCK Certificate and
// Certificate Revocation List Profile Specification): which platform the key belongs to, and the
// TCB that it was made for.
#pragma once

#include <array>
#include <cstdint>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::verify {

constexpr std::string_view kOidSgxExtension = "1.2.840.113741.1.13.1";

struct PckExtension {
  std::array<uint8_t, 16> components{};  // SVNs of the SGX TCB
  uint32_t pce_svn = 0;
  std::array<uint8_t, 6> fmspc{};
  std::array<uint8_t, 2> pce_id{};
};

// corrupt: not DER, a member is missing, appears twice or is malformed.
Result<PckExtension> parse_pck_extension(ByteView content);

}  // namespace bartizan::attest::verify
