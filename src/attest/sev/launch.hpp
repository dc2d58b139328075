// What owner and host exchange about a SEV or SEV-ES launch, and where: two requests of the host to
// the broker, before and after it loads the guest (docs/tee.md, "Pre-attestation").
//
//   POST /bartizan/v1/sev/launches
//     {"tee":"sev-es","workload_digest":HEX,"policy":15,"firmware":{"api_major":1,"api_minor":55,"build":21},
//      "certificates":BASE64}                                 platform certificates:
//      sev/platform_chain
//     -> {"id":HEX,"certificate":BASE64,"session":BASE64}     for LAUNCH_START
//   POST /bartizan/v1/sev/launches/<id>
//     {"measure":HEX,"nonce":HEX}                             of LAUNCH_MEASURE
//     -> {"header":BASE64,"ciphertext":BASE64}                for LAUNCH_SECRET:
//     guest_abi/launch_secret
#pragma once

#include <string_view>

#include "bartizan/tee.hpp"  // SevMeasurement, SevSecret: the second request and its answer
#include "base/bytes.hpp"

namespace bartizan::attest::sev {

constexpr std::string_view kLaunchesPath = "/bartizan/v1/sev/launches";

// What LAUNCH_START takes.
struct Start {
  Bytes certificate;  // 2084 bytes: the owner's Diffie-Hellman key
  Bytes session;      // 128 bytes: the wrapped transport keys and their MACs
};

// As in PLATFORM_STATUS; the measurement covers them.
struct Firmware {
  uint8_t api_major = 0, api_minor = 0, build = 0;
};

}  // namespace bartizan::attest::sev
