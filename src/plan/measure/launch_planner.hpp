// From launch options to the launch plan: lays out memory around the bundle, states the vCPUs'
// first registers. Pure but for reading the bundle's files, where a caller has not loaded it; asks
// neither KVM nor the host. Any thread.
#pragma once

#include "bartizan/machine.hpp"
#include "bartizan/tee.hpp"
#include "base/units.hpp"
#include "plan/tee/launch_plan.hpp"
#include "plan/tee/snp/vmsa.hpp"

namespace bartizan::plan::measure {

// `key_from_caller`: the guest takes the disk key from the caller, which is stated in its measured
// command line.
//
// The boot processor starts in the boot stub, which alone with its table and a few small pages is
// loaded and measured: at most tee::kMaxLoadedPages for any kernel and initrd, which are staged.
// Errors: not_found and corrupt (bundle), unsupported (a TEE that the bundle's kernel cannot be a
// guest of), invalid_argument (vCPUs, RAM, command line, C-bit, kernel and initrd larger than the
// staging window). `options.bundle` is not looked at: `bundle` is it.
Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, const LoadedBundle& bundle,
                                  bool key_from_caller);
// Of the bundle at `options.bundle`.
Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, bool key_from_caller);
// With another stub, for tests.
Result<tee::LaunchPlan> make_plan(const LaunchOptions& options, bool key_from_caller,
                                  ByteView stub);

// Guest policy of a launch that asks for none.
uint64_t default_guest_policy(Tee tee);

// The digest of that very plan; also what measure() returns. Empty for Tee::none.
Result<Measurement> measure_plan(const tee::LaunchPlan& plan);
Measurement measure_plan(const tee::LaunchPlan& plan, const tee::snp::VmsaOptions& vmsa);

// SEV_FEATURES of our own launches.
uint64_t default_guest_features(Tee tee);
// invalid_argument: only sev_es and snp have features, and bit 0 distinguishes the two. 0: the
// default.
Result<void> check_guest_features(Tee tee, uint64_t features);

}  // namespace bartizan::plan::measure
