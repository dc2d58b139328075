// The VMSA page of a vCPU as KVM makes it at LAUNCH_FINISH: the VMM's registers with KVM's own
// forced values (svm.c, sev.c: sev_es_sync_vmsa), at the offsets of AMD APM volume 2, table B-4.
#pragma once

#include "base/bytes.hpp"
#include "plan/tee/launch_plan.hpp"

namespace bartizan::plan::tee::snp {

// SEV_FEATURES bit 0: SNP active.
constexpr uint64_t kSnpActive = 1;

// What the page holds beside a vCPU's registers; the defaults are those of our own launches on
// Linux 6.10 and later.
struct VmsaOptions {
  uint64_t sev_features = kSnpActive;
  // Before 6.10, and on the legacy SEV_ES_INIT path even today, KVM does not copy the FPU's state:
  // MXCSR and the control word stay 0.
  HostKernel host_kernel = HostKernel::since_6_10;
  uint64_t pat = 0x0007040600070406;  // reset value of the PAT MSR; GCE sets its own
};

Bytes vmsa_page(const CpuState& cpu, const VmsaOptions& options);
Bytes vmsa_page(const CpuState& cpu, uint64_t sev_features = kSnpActive);

}  // namespace bartizan::plan::tee::snp
