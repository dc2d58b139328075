// The VMSA page of a vCPU as KVM makes it at LAUNCH_FINISH: the VMM's registers with KVM's own
// forced values (svm.c, sev.c: sev_es_sync_vmsa), at the offsets of AMD APM volume 2, table B-4.
#pragma once

#include "base/bytes.hpp"
#include "tee/plan.hpp"

namespace bartizan::tee::snp {

// SEV_FEATURES bit 0: SNP active.
constexpr uint64_t kSnpActive = 1;

Bytes vmsa_page(const CpuState& cpu, uint64_t sev_features = kSnpActive);

}  // namespace bartizan::tee::snp
