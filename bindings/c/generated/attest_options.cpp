// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {

Result<EvidencePolicy> from_c(const bartizan_evidence_policy* from) {
  const bartizan_evidence_policy options = TRY(options_of(from, "bartizan_evidence_policy"));
  EvidencePolicy to;
  TRY(check_flags(options.flags, BARTIZAN_POLICY_ALLOW_SIMULATED | BARTIZAN_POLICY_ALLOW_DEBUG,
      "flags"));
  to.allow_simulated = (options.flags & BARTIZAN_POLICY_ALLOW_SIMULATED) != 0;
  to.allow_debug = (options.flags & BARTIZAN_POLICY_ALLOW_DEBUG) != 0;
  TRY(assign_list(options.measurements, options.measurement_count, "measurements",
      to.measurements));
  TRY(assign(options.host_data, "host_data", to.host_data));
  TRY(assign(options.report_data, "report_data", to.report_data));
  TRY(assign(options.minimum_tcb, "minimum_tcb", to.minimum_tcb));
  TRY(assign(options.now, "now", to.now));
  TRY(assign(options.json, "json", to.json));
  TRY(assign(options.collateral, "collateral", to.collateral));
  return to;
}

Result<KeyRequest> from_c(const bartizan_key_request* from) {
  const bartizan_key_request options = TRY(options_of(from, "bartizan_key_request"));
  KeyRequest to;
  TRY(require(options.url, "url"));
  TRY(assign(options.url, "url", to.url));
  TRY(require(options.ca_pem, "ca_pem"));
  TRY(assign(options.ca_pem, "ca_pem", to.ca_pem));
  TRY(require(options.resource, "resource"));
  TRY(assign(options.resource, "resource", to.resource));
  TRY(assign(options.timeout_ms, "timeout_ms", to.timeout_ms));
  TRY(assign(options.statement, "statement", to.statement));
  return to;
}

}  // namespace bartizan::c
