// Quotes, the extension of their PCK certificates, and event logs: all of a stranger. What parses
// as a quote covers its bytes: header and body, signature data and what follows.
#include <cstdint>
#include <cstdlib>

#include "attest/verify/event_log.hpp"
#include "attest/verify/pck_extension.hpp"
#include "attest/verify/tdx_quote.hpp"
#include "bartizan/attest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT: a test program
  const ByteView bytes(data, size);
  auto quote = attest::verify::TdxQuote::parse(bytes);
  if (quote.ok()) {
    if (quote->signed_part.data() != data || quote->signed_part.size() > size) std::abort();
    if (quote->trailing.size() + quote->signed_part.size() >= size) std::abort();
    EvidencePolicy policy;
    policy.now = 1'750'000'000;
    auto verdict = judge_evidence({Tee::tdx, {data, data + size}, {}}, policy);
    if (!verdict.ok() || verdict->accepted) std::abort();  // there is no collateral
  }
  auto extension = attest::verify::parse_pck_extension(bytes);
  if (!extension.ok() && extension.error().message.empty()) std::abort();
  auto log = attest::verify::replay_event_log(bytes);
  if (!log.ok() && log.error().message.empty()) std::abort();
  return 0;
}
