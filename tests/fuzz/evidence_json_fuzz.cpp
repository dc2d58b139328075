// Evidence JSON as a guest sends it. What parses is a valid report and has a JSON form that means
// the same; verification of it may say no, and must say so.
#include <cstdint>
#include <cstdlib>

#include "bartizan/attest.hpp"
#include "base/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT: a test program
  auto evidence = evidence_from_json(as_text({data, size}), Tee::snp);
  if (!evidence.ok()) return 0;
  auto json = evidence_to_json(*evidence);
  if (!json.ok()) std::abort();
  auto again = evidence_from_json(*json, Tee::snp);
  if (!again.ok() || again->report != evidence->report) std::abort();
  EvidencePolicy policy;
  policy.now = 1'750'000'000;
  auto verified = verify_evidence(*evidence, policy);
  if (!verified.ok() && verified.error().message.empty()) std::abort();
  return 0;
}
