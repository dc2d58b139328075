// What ties a manifest to this launch. Which source is believed follows from the TEE on the
// measured command line, never from what the machine shows: a source that should be there and is
// not ends the launch, and no other takes its place.
//
//   none            nothing
//   simulated, snp  HOST_DATA of a fresh report (SNP firmware ABI, MSG_REPORT_RSP)
//   sev, sev-es     the workload digest in the launch secret, which the owner sealed
//   tdx             MRCONFIGID of a TDREPORT (TDX module ABI, TDINFO_STRUCT)
#pragma once

#include <memory>
#include <optional>

#include "attest/evidence/snp_report.hpp"
#include "bartizan/attest.hpp"
#include "crypto/hash.hpp"
#include "guest/init/host/launch_secret_file.hpp"

namespace bartizan::guest::init::host {

struct ManifestBinding {
  std::string_view where;   // "HOST_DATA", "launch secret", "MRCONFIGID"
  std::string_view reason;  // of a refusal
  crypto::Sha256Digest workload_digest;
  std::optional<attest::evidence::SnpReport> report;  // that it comes from
};

struct LaunchFacts {
  Tee tee = Tee::none;
  bool key_from_caller = false;
  const FoundLaunchSecret& secret;
  EvidenceSource& source;  // of that TEE
};

// Nothing: the launch is bound to no manifest, because it has no TEE, or because its measured
// command line says that the caller gives the key and its owner gave no secret.
// verification_failed, reason "launch_secret": absent where a SEV guest needs it, or there in
// another guest; "report_data": a report about something else.
Result<std::optional<ManifestBinding>> manifest_binding(const LaunchFacts& facts);

// verification_failed, with both digests: it is not the one that is bound. Reasons: "host_data",
// "launch_secret", "mrconfigid".
Result<void> check_binding(const ManifestBinding& binding, const crypto::Sha256Digest& manifest);

// MRCONFIGID of a TDREPORT that the TDX module made for this guest: 32 bytes of digest, 16 zeros.
// corrupt: of another size or type, or more than a digest.
Result<crypto::Sha256Digest> digest_of_td_report(ByteView report);

}  // namespace bartizan::guest::init::host
