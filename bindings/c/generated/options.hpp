// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#pragma once

#include "bartizan.h"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"

namespace bartizan::c {

// The caller's struct over the defaults. NULL: all defaults.
Result<ProbeOptions> from_c(const bartizan_probe_options* from);
Result<LaunchOptions> from_c(const bartizan_launch_options* from);
Result<MeasureOptions> from_c(const bartizan_measure_options* from);
Result<IdBlockOptions> from_c(const bartizan_id_block_options* from);
Result<TeeOptions> from_c(const bartizan_tee_options* from);
Result<BundleOptions> from_c(const bartizan_bundle_options* from);
Result<BuildOptions> from_c(const bartizan_build_options* from);
Result<EvidencePolicy> from_c(const bartizan_evidence_policy* from);
Result<KeyRequest> from_c(const bartizan_key_request* from);
Result<BrokerOptions> from_c(const bartizan_broker_options* from);
Result<BrokerAccess> from_c(const bartizan_broker_access* from);
Result<Workload> from_c(const bartizan_workload* from);
Result<MachineOptions> from_c(const bartizan_machine_options* from);
Result<LuksDisk> from_c(const bartizan_luks_disk* from);

// What the description cannot express, written by hand beside the functions of the noun.
Result<void> finish(const bartizan_measure_options& from, MeasureOptions& to);
Result<void> finish(const bartizan_tee_options& from, TeeOptions& to);
Result<void> finish(const bartizan_broker_options& from, BrokerOptions& to);
Result<void> finish(const bartizan_broker_access& from, BrokerAccess& to);
Result<void> finish(const bartizan_workload& from, Workload& to);
Result<void> finish(const bartizan_machine_options& from, MachineOptions& to);

}  // namespace bartizan::c
