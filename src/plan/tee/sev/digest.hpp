// The launch digest of SEV and SEV-ES (SEV API, LAUNCH_UPDATE_DATA, LAUNCH_UPDATE_VMSA): SHA-256 of
// all bytes in launch order, then of each vCPU's VMSA. Pure computation.
//
// Addresses are not measured: a guest must not trust where its bytes lie. Nor are registers with
// plain SEV.
#pragma once

#include "crypto/hash.hpp"
#include "plan/tee/launch_plan.hpp"
#include "plan/tee/snp/vmsa.hpp"

namespace bartizan::plan::tee::sev {

// An item that a launch gives to LAUNCH_UPDATE_DATA: normal and zero pages, whose content counts.
// The other kinds do not exist without SNP; a launch leaves them out, and so does the digest.
bool is_loaded(const PlanItem& item);

class LaunchDigest {
 public:
  void update(ByteView bytes) { hasher_.update(bytes); }
  void update_item(const PlanItem& item);  // its bytes, and zeros up to its size
  crypto::Sha256Digest finish();

 private:
  crypto::Hasher hasher_{crypto::HashKind::sha256};
};

// For Tee::sev the items alone; for Tee::sev_es also a VMSA for each vCPU.
crypto::Sha256Digest launch_digest(const LaunchPlan& plan,
                                   const snp::VmsaOptions& options = {.sev_features = 0});

}  // namespace bartizan::plan::tee::sev
