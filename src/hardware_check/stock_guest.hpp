// A launch from image to end on this host, for scripts/hardware-check: a tiny image is encrypted,
// registered at a broker in this process under the digest of measure(), launched with the stock
// kernel of a bundle, and runs only if its evidence gets the key.
#pragma once

#include <chrono>
#include <filesystem>

#include "bartizan/tee.hpp"
#include "base/json.hpp"

namespace bartizan::hardware_check {

struct StockGuestOptions {
  std::filesystem::path bundle;
  std::filesystem::path kvm_device = "/dev/kvm";
  std::chrono::milliseconds limit{300'000};  // a guest that has not ended by then is stopped
};

// {"digest", "evidence_expected", "decision", "reason", "evidence", "exit", "stages", "ok"}. SEV
// and SEV-ES guests have no evidence of their own: they get the key from the caller, and prove only
// that they run. `ok`: the program ran, which without the key it cannot. {"not_tried", "advice"}:
// the bundle's kernel cannot be a guest of that TEE, which is no fault of the host.
Result<Json> attest_stock_guest(const StockGuestOptions& options, Tee tee);

}  // namespace bartizan::hardware_check
