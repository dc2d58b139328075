// LaunchBinding: what a launch is tied to beside its plan. None of it is in the launch digest; all
// of it is in what the hardware signs, or is checked by the firmware.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "base/guest_address.hpp"

namespace bartizan::vmm::launch {

// SEV, SEV-ES: what the owner sees between MEASURE and FINISH, and may answer with.
struct SevMeasurement {
  std::array<uint8_t, 32> measure{};  // HMAC under the owner's key: see SEV API, LAUNCH_MEASURE
  std::array<uint8_t, 16> nonce{};
};
struct SevSecret {
  Bytes header;           // 52 bytes: flags, IV, MAC
  Bytes ciphertext;       // a multiple of 16 bytes, within one page
  GuestAddress location;  // 16-aligned, in pages that the launch loaded
};
// Nothing: no secret. An error: the owner does not accept the launch, which ends then and there.
using SevOwner = std::function<Result<std::optional<SevSecret>>(const SevMeasurement&)>;

struct LaunchIdentity {
  std::array<uint8_t, 32> workload_digest{};  // SNP: HOST_DATA; TDX: MRCONFIGID, padded with zeros

  // SNP. An ID block with its authentication (plan/tee/snp/id_block.hpp), or both empty.
  Bytes id_block, id_auth;
  bool author_key = false;  // id_auth names an author key, too
  // SNP. What the guest gets with an extended report: a GUID table with VCEK, ASK and ARK; or
  // empty.
  Bytes certificate_table;
  bool require_certificates = false;  // a KVM that cannot pass them on is an error, no remark

  // SEV, SEV-ES. The owner's certificate and session blob, or both empty: then nobody can attest.
  Bytes owner_certificate, session;
  SevOwner owner;

  // TDX. The quote generation service (vmm/launch/tdx/quote_service.hpp); empty: quotes are
  // refused.
  std::string quote_service;
};

}  // namespace bartizan::vmm::launch
