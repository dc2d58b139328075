// Evidence and key release.
#include "bartizan/attest.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

// The caller's function as a source of evidence.
class CallbackSource : public bz::EvidenceSource {
 public:
  CallbackSource(bz::Tee tee, bartizan_evidence_fn function, void* user)
      : tee_(tee), function_(function), user_(user) {}
  bz::Tee tee() const override { return tee_; }
  bz::Result<bz::Evidence> evidence(std::span<const uint8_t> report_data) override {
    const char* json = function_(user_, report_data.data(), report_data.size());
    if (!json)
      return bz::make_error(bz::ErrorCode::io, kApiOrigin, "evidence: the callback gave none");
    return bz::evidence_from_json(json, tee_);
  }

 private:
  bz::Tee tee_;
  bartizan_evidence_fn function_;
  void* user_;
};

// Evidence held against a policy by one of the library's two calls for it.
template <typename Call>
int32_t judged(Call call, const char* evidence, int32_t tee, const bartizan_evidence_policy* policy,
               bartizan_string** json, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!evidence) return missing("evidence");
    if (!json) return missing("json");
    auto kind = TRY(tee_of(tee));
    auto demands = TRY(from_c(policy));
    auto parsed = TRY(bz::evidence_from_json(evidence, kind));
    return give_json(call(parsed, demands), json);
  });
}

}  // namespace

extern "C" {

int32_t bartizan_attest_verify(const char* evidence, int32_t tee,
                               const bartizan_evidence_policy* policy, bartizan_string** json,
                               bartizan_error** err) {
  return judged(bz::verify_evidence, evidence, tee, policy, json, err);
}

int32_t bartizan_attest_judge(const char* evidence, int32_t tee,
                              const bartizan_evidence_policy* policy, bartizan_string** json,
                              bartizan_error** err) {
  return judged(bz::judge_evidence, evidence, tee, policy, json, err);
}

int32_t bartizan_attest_show(const char* evidence, int32_t tee, bartizan_string** json,
                             bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!evidence) return missing("evidence");
    if (!json) return missing("json");
    auto kind = TRY(tee_of(tee));
    auto parsed = TRY(bz::evidence_from_json(evidence, kind));
    return give_json(bz::show_evidence(parsed), json);
  });
}

int32_t bartizan_attest_request_key(const bartizan_key_request* request, bartizan_secret** key,
                                    bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!request) return missing("request");
    if (!key) return missing("key");
    const auto to = TRY(from_c(request));
    const auto options = TRY(options_of(request, "bartizan_key_request"));
    if (!options.evidence) return missing("evidence");
    const auto tee = TRY(tee_of(options.tee));
    CallbackSource source(tee, options.evidence, options.evidence_user);
    auto released = TRY(bz::request_key(to, source));
    *key = make_secret(released).release();
    return {};
  });
}

}  // extern "C"
