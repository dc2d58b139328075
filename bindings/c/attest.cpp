// Evidence and key release.
#include "bartizan/attest.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

bz::Result<bz::EvidencePolicy> policy_of(const bartizan_evidence_policy* from) {
  auto options = TRY(options_of(from, "bartizan_evidence_policy"));
  TRY(check_flags(options.flags, BARTIZAN_POLICY_ALLOW_SIMULATED | BARTIZAN_POLICY_ALLOW_DEBUG,
                  "flags"));
  bz::EvidencePolicy to;
  to.allow_simulated = options.flags & BARTIZAN_POLICY_ALLOW_SIMULATED;
  to.allow_debug = options.flags & BARTIZAN_POLICY_ALLOW_DEBUG;
  to.measurements = TRY(list_of(options.measurements, options.measurement_count, "measurements"));
  to.host_data = TRY(bytes_of(options.host_data, "host_data"));
  to.report_data = TRY(bytes_of(options.report_data, "report_data"));
  to.minimum_tcb = options.minimum_tcb;
  to.now = options.now;
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
      return bz::make_error(bz::ErrorCode::io, kOrigin, "evidence: the callback gave none");
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
    auto kind = TRY(tee_of(tee));
    auto demands = TRY(policy_of(policy));
    auto parsed = TRY(bz::evidence_from_json(evidence, kind));
    return give_json(bz::verify_evidence(parsed, demands), json);
  });
}

int32_t bartizan_attest_request_key(const bartizan_key_request* request, bartizan_secret** key,
                                    bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!request) return missing("request");
    if (!key) return missing("key");
    auto options = TRY(options_of(request, "bartizan_key_request"));
    TRY(require(options.url, "url"));
    TRY(require(options.ca_pem, "ca_pem"));
    TRY(require(options.resource, "resource"));
    if (!options.evidence) return missing("evidence");
    auto tee = TRY(tee_of(options.tee));
    bz::KeyRequest to{options.url, options.ca_pem, options.resource};
    if (options.timeout_ms) to.timeout_ms = options.timeout_ms;
    CallbackSource source(tee, options.evidence, options.evidence_user);
    auto released = TRY(bz::request_key(to, source));
    *key = new bartizan_secret{std::move(released)};
    return {};
  });
}

}  // extern "C"
