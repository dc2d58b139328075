// Evidence and key release.
#include "bartizan/attest.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

bz::Result<bz::EvidencePolicy> policy_of(const bartizan_evidence_policy* from) {
  auto options = options_of(from, "bartizan_evidence_policy");
  BARTIZAN_C_CHECK(options);
  BARTIZAN_C_CHECK(check_flags(
      options->flags, BARTIZAN_POLICY_ALLOW_SIMULATED | BARTIZAN_POLICY_ALLOW_DEBUG, "flags"));
  auto measurements = list_of(options->measurements, options->measurement_count, "measurements");
  BARTIZAN_C_CHECK(measurements);
  auto host_data = bytes_of(options->host_data, "host_data");
  BARTIZAN_C_CHECK(host_data);
  auto report_data = bytes_of(options->report_data, "report_data");
  BARTIZAN_C_CHECK(report_data);
  bz::EvidencePolicy to;
  to.allow_simulated = options->flags & BARTIZAN_POLICY_ALLOW_SIMULATED;
  to.allow_debug = options->flags & BARTIZAN_POLICY_ALLOW_DEBUG;
  to.measurements = *std::move(measurements);
  to.host_data = *std::move(host_data);
  to.report_data = *std::move(report_data);
  to.minimum_tcb = options->minimum_tcb;
  to.now = options->now;
  return to;
}

// The caller's function as a source of evidence.
class CallbackSource : public bz::EvidenceSource {
 public:
  CallbackSource(bz::Tee tee, bartizan_evidence_fn function, void* user)
      : tee_(tee), function_(function), user_(user) {}
  bz::Tee tee() const override { return tee_; }
  bz::Result<bz::Evidence> evidence(std::span<const uint8_t> report_data) override {
    const char* json = function_(user_, report_data.data(), report_data.size());
    if (!json)
      return bz::Error{bz::ErrorCode::io, 0, "c", "evidence: the callback gave none", {}, {}, {}};
    return bz::evidence_from_json(json, tee_);
  }

 private:
  bz::Tee tee_;
  bartizan_evidence_fn function_;
  void* user_;
};

}  // namespace

extern "C" {

int32_t bartizan_attest_verify(const char* evidence, int32_t tee,
                               const bartizan_evidence_policy* policy, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!evidence) return missing("evidence");
    if (!json) return missing("json");
    auto kind = tee_of(tee);
    BARTIZAN_C_CHECK(kind);
    auto demands = policy_of(policy);
    BARTIZAN_C_CHECK(demands);
    auto parsed = bz::evidence_from_json(evidence, *kind);
    BARTIZAN_C_CHECK(parsed);
    return give_json(bz::verify_evidence(*parsed, *demands), json);
  });
}

int32_t bartizan_attest_request_key(const bartizan_key_request* request, bartizan_secret** key,
                                    bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!request) return missing("request");
    if (!key) return missing("key");
    auto options = options_of(request, "bartizan_key_request");
    BARTIZAN_C_CHECK(options);
    BARTIZAN_C_CHECK(require(options->url, "url"));
    BARTIZAN_C_CHECK(require(options->ca_pem, "ca_pem"));
    BARTIZAN_C_CHECK(require(options->resource, "resource"));
    if (!options->evidence) return missing("evidence");
    auto tee = tee_of(options->tee);
    BARTIZAN_C_CHECK(tee);
    bz::KeyRequest to{options->url, options->ca_pem, options->resource};
    if (options->timeout_ms) to.timeout_ms = options->timeout_ms;
    CallbackSource source(*tee, options->evidence, options->evidence_user);
    auto released = bz::request_key(to, source);
    BARTIZAN_C_CHECK(released);
    *key = new bartizan_secret{*std::move(released)};
    return {};
  });
}

}  // extern "C"
