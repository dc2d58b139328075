// LaunchIdentity: what a launch is tied to beside its plan. None of it is in the launch digest; all
// of it is in what the hardware signs, or is checked by the firmware.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bartizan/tee.hpp"
#include "base/bytes.hpp"

namespace bartizan::vmm::launch {

struct LaunchIdentity {
  std::array<uint8_t, 32> workload_digest{};  // SNP: HOST_DATA; TDX: MRCONFIGID, padded with zeros

  // SNP. An ID block with its authentication (plan/tee/snp/id_block.hpp), or both empty.
  Bytes id_block, id_auth;
  bool author_key = false;  // id_auth also names an author key
  // SNP. What the guest gets with an extended report: a GUID table with VCEK, ASK and ARK; or
  // empty.
  Bytes certificate_table;
  bool require_certificates = false;  // a KVM that cannot pass them on is an error, no remark

  // SEV, SEV-ES. The owner's certificate and session blob, or both empty: then nobody can attest.
  Bytes owner_certificate, session;
  // Sees `measure` and `nonce`; whoever makes the identity adds the rest. A secret needs its
  // guest address.
  SevOwner owner;

  // TDX. The quote generation service (vmm/launch/tdx/quote_service.hpp); empty: quotes are
  // refused.
  std::string quote_service;
};

}  // namespace bartizan::vmm::launch
