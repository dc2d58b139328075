// What scripts/hardware-check runs on a host with confidential-computing hardware: each TEE is
// probed, a guest of a few instructions is launched in it, and how that went becomes one JSON
// report without secrets, to be sent back to us who have no such host.
//
// The guest proves that it ran by how it ends. SNP: its launch carries an ID block with the digest
// that we computed, so the firmware itself says whether they agree.
#pragma once

#include <chrono>

#include "base/json.hpp"
#include "machine/probe_tee.hpp"
#include "tee/plan.hpp"

namespace bartizan::machine {

struct HardwareCheckOptions {
  HostFiles host;
  std::chrono::milliseconds guest_limit{10'000};  // a guest that has not ended by then is stopped
};

// {"version": 1, "kernel": …, "tees": [{"tee", "available", "missing", "advice", "capacity",
// "in_use", "launch": {"ok", "error", "digest", "digest_confirmed", "launch_ms", "run_ms",
// "guest_ended", "guest_ran", "remarks"}}]}
Json hardware_check(const HardwareCheckOptions& options);

// The guest: `c_bit` as this processor has it.
tee::LaunchPlan hardware_check_plan(Tee tee, uint8_t c_bit);

}  // namespace bartizan::machine
