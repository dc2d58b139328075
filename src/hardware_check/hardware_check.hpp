// What scripts/hardware-check runs on a host with confidential-computing hardware: each TEE is
// probed, a guest of a few instructions is launched in it, and how that went becomes one JSON
// report without secrets, to be sent back to us who have no such host.
//
// The guest proves that it ran by how it ends. SNP: its launch carries an ID block with the digest
// that we computed, so the firmware itself decides whether they agree.
#pragma once

#include <chrono>
#include <functional>

#include "base/json.hpp"
#include "plan/tee/launch_plan.hpp"
#include "vmm/host/probe_tee.hpp"

namespace bartizan::hardware_check {

struct HardwareCheckOptions {
  vmm::host::HostFiles host;
  std::chrono::milliseconds guest_limit{10'000};  // a guest that has not ended by then is stopped
  // Launches a stock kernel and has it attest (stock_guest.hpp). Empty: there is no bundle, and the
  // guest of a few instructions is all.
  std::function<Result<Json>(Tee)> stock_guest;
};

// {"version": 1, "kernel": …, "tees": [{"tee", "available", "missing", "advice", "capacity",
// "in_use", "launch": {"ok", "error", "digest", "digest_confirmed", "launch_ms", "run_ms",
// "guest_ended", "guest_ran", "remarks"}, "attestation": {"ok", "error", …}}], "stock_guest": true,
// "baseline": {"none": {"ok", …}, "simulated": {"ok", …}}}. `attestation`: as in stock_guest,
// after a launch that was ok; {"not_tried", …} counts neither way. `baseline`: the same without hardware, with the caller's key (as for
// SEV and SEV-ES) and with evidence, which distinguishes a host on which no stock kernel runs.
Json hardware_check(const HardwareCheckOptions& options);

// For a program: 0: all that was offered is ok; 1: something is not; 3: the host offers no TEE.
int hardware_check_status(const Json& report);

// The guest: `c_bit` as this processor has it.
plan::tee::LaunchPlan hardware_check_plan(Tee tee, uint8_t c_bit);

}  // namespace bartizan::hardware_check
