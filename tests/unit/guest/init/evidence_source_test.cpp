// Reports as the guest takes them: about what was asked, or refused; and whose fault a failure was.
#include "guest/init/host/evidence_source.hpp"

#include <gtest/gtest.h>

#include <array>

#include "attest/evidence/simulated_signer.hpp"
#include "base/errors.hpp"

namespace bartizan::guest::init {
namespace {

using ReportData = std::array<uint8_t, 64>;

// Answers with a report about `answer`, whatever is asked.
class FixedSource : public EvidenceSource {
 public:
  explicit FixedSource(ReportData answer) : answer_(answer) {}
  Tee tee() const override { return Tee::simulated; }
  Result<Evidence> evidence(std::span<const uint8_t>) override {
    attest::evidence::SimulatedSigner::Fields fields;
    fields.report_data = answer_;
    fields.host_data.fill(0x11);
    auto signer = attest::evidence::SimulatedSigner::create();
    if (!signer.ok()) return signer.error();
    auto evidence = signer->sign(fields);
    if (evidence.ok() && cut_) evidence->report.pop_back();
    return evidence;
  }
  void cut() { cut_ = true; }

 private:
  ReportData answer_;
  bool cut_ = false;
};

class BrokenSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::snp; }
  Result<Evidence> evidence(std::span<const uint8_t>) override {
    return make_error(ErrorCode::io, "test", "device gone");
  }
};

ReportData filled(uint8_t value) {
  ReportData data;
  data.fill(value);
  return data;
}

TEST(FreshReport, GivesTheFieldsOfTheReport) {
  FixedSource source(filled(7));
  auto report = host::fresh_report(source, filled(7));
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_EQ(report->host_data[0], 0x11);
}

TEST(FreshReport, RefusesAReportAboutSomethingElse) {
  FixedSource source(filled(7));
  auto report = host::fresh_report(source, filled(8));
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::verification_failed);
  EXPECT_EQ(report.error().reason, "report_data");
}

TEST(FreshReport, RefusesAReportOfTheWrongSize) {
  FixedSource source(filled(7));
  source.cut();
  auto report = host::fresh_report(source, filled(7));
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::corrupt);
}

TEST(WatchedSource, RemembersWhoFailed) {
  BrokenSource broken;
  host::WatchedSource watched(broken);
  EXPECT_FALSE(watched.failed());
  EXPECT_FALSE(watched.evidence(filled(0)).ok());
  EXPECT_TRUE(watched.failed());
  EXPECT_EQ(watched.tee(), Tee::snp);

  FixedSource good(filled(0));
  host::WatchedSource content(good);
  EXPECT_TRUE(content.evidence(filled(0)).ok());
  EXPECT_FALSE(content.failed());
}

}  // namespace
}  // namespace bartizan::guest::init
