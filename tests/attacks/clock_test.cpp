// A broker whose clock is wrong by decades: no key by certificates that are not valid then, none
// after a registration's end, and no crash.
#include "attacks/attack.hpp"
#include "unit/attest/vendor.hpp"

namespace bartizan::test {
namespace {

constexpr int64_t kEpoch = 0, kAfter2038 = 2'147'483'648, kIn2100 = 4'102'444'800;

class ClockGuest : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::snp; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    AmdVendor vendor(attest::evidence::Product::milan);
    attest::evidence::SnpReport report = vendor.report();
    report.host_data.fill(5);
    std::copy(report_data.begin(), report_data.end(), report.report_data.begin());
    vendor.issue_for(report);
    return vendor.sign(report);
  }
};

class Clocks : public BrokerTest {
 protected:
  void configure(BrokerOptions& options) override {
    options.clock = [this] { return now_.load(); };
  }
  std::atomic<int64_t> now_ = kVendorNow;
};

TEST_F(Clocks, CertificatesHoldAtTheirTime) {
  AmdVendor vendor(attest::evidence::Product::milan);
  Workload five = workload(5);
  five.allow_simulated = false;
  const auto report = vendor.report();
  five.measurements = {Bytes(report.measurement.begin(), report.measurement.end())};
  five.policy =
      Json{{"version", 1}, {"snp", {{"roots", {{"milan", {public_key_hash(vendor.ark.der())}}}}}}}
          .dump();
  add(five);
  ClockGuest guest;
  EXPECT_TRUE(request_key({broker_->url(), broker_->ca_pem(), five.resource, 60'000}, guest).ok());
  for (int64_t then : {kEpoch, kAfter2038, kIn2100}) {
    now_ = then;
    SCOPED_TRACE(then);
    expect_refused(request_key({broker_->url(), broker_->ca_pem(), five.resource, 60'000}, guest),
                   "date");
  }
}

TEST_F(Clocks, AnEndIsAnEndAtAnyTime) {
  add(workload(1));
  ASSERT_TRUE(expire_workload(access(), "workload-1", kVendorNow + 100).ok());
  for (int64_t then : {kVendorNow + 100, kAfter2038, kIn2100}) {
    now_ = then;
    Guest one = guest(1);
    expect_refused(request(one, "default/disk-key/workload-1"), "expired");
  }
}

}  // namespace
}  // namespace bartizan::test
