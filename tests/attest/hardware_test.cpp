// Guests of hardware TEEs at the broker, by vendors of the tests that sign whatever is asked for:
// a registration's own evidence policy decides, over the whole exchange.
#include <gmock/gmock.h>

#include "attest/exchange.hpp"
#include "base/json.hpp"
#include "crypto/hash.hpp"
#include "unit/attest/vendor_tdx.hpp"

namespace bartizan::test {
namespace {

using ::testing::HasSubstr;

constexpr uint8_t kDigestByte = 0x22;  // of IntelVendor's MRCONFIGID

class TdGuest : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::tdx; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    IntelVendor vendor(4);
    if (bend) bend(vendor);
    vendor.set(kTdReportData, report_data);
    Evidence made = vendor.make();
    if (without_collateral) made.collateral.clear();
    return made;
  }
  std::function<void(IntelVendor&)> bend;
  bool without_collateral = false;
};

class SnpGuest : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::snp; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    AmdVendor vendor(product);
    attest::evidence::SnpReport report = vendor.report();
    report.host_data.fill(kDigestByte);
    std::copy(report_data.begin(), report_data.end(), report.report_data.begin());
    if (bend) bend(report);
    vendor.issue_for(report);
    return vendor.sign(report);
  }
  attest::evidence::Product product = attest::evidence::Product::milan;
  std::function<void(attest::evidence::SnpReport&)> bend;
};

class HardwareExchange : public BrokerTest {
 protected:
  void configure(BrokerOptions& options) override {
    options.clock = [] { return kVendorNow; };
    options.collateral = folder_ / "collateral";
    std::filesystem::create_directories(options.collateral / "tdx");
  }
  static Workload of(Tee tee, const Json& policy) {
    Workload made = workload(kDigestByte);
    made.tee = tee;
    made.allow_simulated = false;
    made.measurements = {tee == Tee::tdx ? Bytes(48, 0x11) : measured()};
    if (!policy.empty()) made.policy = policy.dump();
    return made;
  }
  static Bytes measured() {
    const auto report = AmdVendor(attest::evidence::Product::milan).report();
    return Bytes(report.measurement.begin(), report.measurement.end());
  }
  static Json tdx_policy(const Json& more = Json::object()) {
    Json json = {{"version", 1}};
    json["tdx"]["roots"] = {public_key_hash(IntelVendor(4).root.der())};
    json["tdx"].update(more);
    return json;
  }
  static Json snp_policy(const Json& more = Json::object()) {
    Json json = {{"version", 1}};
    for (auto [name, product] : {std::pair{"milan", attest::evidence::Product::milan},
                                 std::pair{"turin", attest::evidence::Product::turin}})
      json["snp"]["roots"][name] = {public_key_hash(AmdVendor(product).ark.der())};
    json["snp"].update(more);
    return json;
  }
  void put(const Workload& made) { add(made, /*replace=*/true); }
  Result<SecretBytes> ask(EvidenceSource& guest) {
    return request_key({broker_->url(), broker_->ca_pem(), resource_, 60'000}, guest);
  }
  void expect_key(EvidenceSource& guest) {
    auto key = ask(guest);
    ASSERT_TRUE(key.ok()) << key.error().describe();
    EXPECT_EQ(key->view(), "the key of workload-34");
  }
  const std::string resource_ = "default/disk-key/workload-34";
};

TEST_F(HardwareExchange, ATrustDomainGetsItsKey) {
  put(of(Tee::tdx, tdx_policy()));
  TdGuest guest;
  expect_key(guest);
  const Json audit = parse_json(broker_audit(access(), "workload-34").value(), "audit").value();
  EXPECT_EQ(audit[0]["decision"], "allowed");
  EXPECT_TRUE(audit[0]["evidence"].contains("quote"));
}

TEST_F(HardwareExchange, IntelsRootIsDemandedByDefault) {
  put(of(Tee::tdx, Json::object()));
  TdGuest guest;
  expect_refused(ask(guest), "certificate_chain");
}

TEST_F(HardwareExchange, TrustDomainsThatAreOthers) {
  struct Case {
    const char* reason;
    std::function<void(IntelVendor&)> bend;
  };
  const Case cases[] = {
      {"measurement", [](IntelVendor& v) { v.set(kTdMrTd, Bytes(48, 0x12)); }},
      {"host_data", [](IntelVendor& v) { v.set(kTdMrConfigId, Bytes(32, 0x23)); }},
      // 48 bytes, of which the first 32 are those of the workload
      {"host_data", [](IntelVendor& v) { v.set(kTdMrConfigId + 32, Bytes(16, 1)); }},
      {"debug", [](IntelVendor& v) { v.body[kTdAttributes] = 1; }},
      {"tcb_status", [](IntelVendor& v) { v.components[0] = 2; }},
  };
  put(of(Tee::tdx, tdx_policy()));
  for (const Case& one : cases) {
    SCOPED_TRACE(one.reason);
    TdGuest guest;
    guest.bend = one.bend;
    expect_refused(ask(guest), one.reason);
  }
}

TEST_F(HardwareExchange, APolicyTakesWhatItNames) {
  TdGuest old;
  old.bend = [](IntelVendor& v) { v.components[0] = 2; };
  put(of(Tee::tdx, tdx_policy({{"tcb_statuses", {"UpToDate", "OutOfDate"}}})));
  expect_key(old);
  put(of(Tee::tdx, tdx_policy({{"rtmr_1", {std::string(96, '5')}}})));
  expect_refused(ask(old), "tcb_status");
  TdGuest other;
  expect_refused(ask(other), "runtime_measurement");
}

TEST_F(HardwareExchange, CollateralOfTheBrokersFolder) {
  put(of(Tee::tdx, tdx_policy()));
  TdGuest bare;
  bare.without_collateral = true;
  expect_refused(ask(bare), "collateral");
  std::ofstream(folder_ / "collateral/tdx/90c06f000000.json") << IntelVendor(4).make().collateral;
  expect_key(bare);
}

TEST_F(HardwareExchange, SnpByVcekAndByVlek) {
  put(of(Tee::snp, snp_policy()));
  SnpGuest guest;
  expect_key(guest);
  guest.bend = [](attest::evidence::SnpReport& report) {
    report.key_info = (report.key_info & ~uint32_t{0x1c}) | (attest::evidence::kSignedByVlek << 2);
  };
  auto refused = ask(guest);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("VLEK"));
  put(of(Tee::snp, snp_policy({{"signers", {"vlek"}}})));
  expect_key(guest);
}

// A number means another thing on Turin; a policy has minimums for each product.
TEST_F(HardwareExchange, MinimumsOfEachProduct) {
  const Json zero = {{"bootloader", 0}, {"tee", 0}, {"snp", 0}, {"microcode", 0}, {"fmc", 0}};
  SnpGuest guest;
  guest.product = attest::evidence::Product::turin;
  Workload made = of(Tee::snp, snp_policy({{"minimum_tcb", {{"turin", zero}}}}));
  put(made);
  expect_key(guest);
  Json high = zero;
  high["microcode"] = 255;
  made.policy = snp_policy({{"minimum_tcb", {{"turin", high}}}}).dump();
  put(made);
  expect_refused(ask(guest), "tcb");
}

TEST_F(HardwareExchange, PoliciesThatAreNoneAreNotRegistered) {
  struct Case {
    Tee tee;
    std::string policy, words;
  };
  const Case cases[] = {
      {Tee::snp, "{", "policy"},
      {Tee::snp, "[]", "policy"},
      {Tee::snp, R"({"version":2})", "version"},
      {Tee::snp, R"({"version":1,"snp":{"minimun_tcb":{}}})", "minimun_tcb"},
      {Tee::snp, R"({"version":1,"allow_simulated":true})", "allow_simulated"},
      {Tee::sev_es, R"({"version":1})", "bring none"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.policy);
    Workload made = of(one.tee, Json::object());
    made.policy = one.policy;
    if (one.tee == Tee::sev_es) made.measurements = {Bytes(32, 1)};
    auto added = register_workload(access(), made);
    ASSERT_FALSE(added.ok());
    EXPECT_THAT(added.error().message, HasSubstr(one.words));
  }
  Workload made = of(Tee::tdx, Json::object());
  made.minimum_tcb = 1;
  EXPECT_EQ(register_workload(access(), made).error().code, ErrorCode::invalid_argument);
}

TEST_F(HardwareExchange, APolicyIsPartOfTheRegistration) {
  const Workload first = of(Tee::snp, snp_policy());
  put(first);
  add(first);  // the same again
  Workload spaced = of(Tee::snp, snp_policy());
  spaced.policy = Json::parse(first.policy).dump(2);
  add(spaced);  // the same in other words
  auto other = register_workload(access(), of(Tee::snp, snp_policy({{"signers", {"vlek"}}})));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::already_exists);
  const Json shown = parse_json(show_workload(access(), first.id).value(), "shown").value();
  EXPECT_EQ(shown["policy"], snp_policy());
  EXPECT_EQ(shown["tee"], "snp");
}

}  // namespace
}  // namespace bartizan::test
