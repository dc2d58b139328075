// Intel's collateral, as a host or a folder gives it, and evidence policies. What is refused says
// why.
#include <cstdint>
#include <cstdlib>

#include "attest/verify/policy.hpp"
#include "attest/verify/tdx_collateral.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT: a test program
  const std::string_view text = as_text({data, size});
  auto collateral = attest::verify::parse_tdx_collateral(text);
  if (!collateral.ok() && collateral.error().message.empty()) std::abort();
  if (collateral.ok() && collateral->tcb_info.levels.size() > attest::verify::kMaxTcbLevels)
    std::abort();
  EvidencePolicy policy;
  policy.json = std::string(text);
  auto demands = attest::verify::read_policy(policy);
  if (!demands.ok() && demands.error().code != ErrorCode::invalid_argument) std::abort();
  return 0;
}
