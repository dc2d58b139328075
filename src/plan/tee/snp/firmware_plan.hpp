// The launch plan of a firmware, as QEMU makes it: so that the one digest code measures what others
// launch, and can be held against published values.
#pragma once

#include <optional>

#include "plan/tee/launch_plan.hpp"
#include "plan/tee/snp/kernel_hashes.hpp"
#include "plan/tee/snp/ovmf.hpp"
#include "plan/tee/snp/vmsa.hpp"

namespace bartizan::plan::tee::snp {

struct FirmwarePlanOptions {
  Tee tee = Tee::snp;  // sev, sev_es or snp
  Vmm vmm = Vmm::qemu;
  uint32_t vcpus = 1;
  uint32_t vcpu_signature = 0;  // CPUID leaf 1 EAX; used by QEMU only
  std::optional<KernelHashes> hashes;
};

// First item: the firmware. For sev and sev_es the hash table is an item of kHashTableBytes, no
// whole page, because that is what QEMU gives to LAUNCH_UPDATE_DATA.
// unsupported: hashes that the firmware has no place for, several vCPUs without a reset address.
Result<LaunchPlan> firmware_plan(const Ovmf& ovmf, const FirmwarePlanOptions& options);

// The rest of the VMSA with that VMM: clouds run older kernels, GCE has its own PAT.
VmsaOptions vmsa_options(Vmm vmm, uint64_t sev_features, HostKernel host_kernel);

}  // namespace bartizan::plan::tee::snp
