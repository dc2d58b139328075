// Which source a guest believes about its manifest: the one of the TEE that was measured, or none.
#include "guest/init/host/manifest_binding.hpp"

#include <gtest/gtest.h>

#include "attest/evidence/simulated_signer.hpp"
#include "base/errors.hpp"
#include "guest/init/host/evidence_source.hpp"

namespace bartizan::guest::init {
namespace {

// What a host can always make: a simulated report with any HOST_DATA.
class HostMadeSource : public EvidenceSource {
 public:
  Tee tee() const override { return Tee::simulated; }
  Result<Evidence> evidence(std::span<const uint8_t> report_data) override {
    attest::evidence::SimulatedSigner::Fields fields;
    std::ranges::copy(report_data, fields.report_data.begin());
    fields.host_data.fill(0x11);
    auto signer = attest::evidence::SimulatedSigner::create();
    if (!signer.ok()) return signer.error();
    asked = true;
    return signer->sign(fields);
  }
  bool asked = false;
};

host::FoundLaunchSecret secret_for(uint8_t digest) {
  guest_abi::LaunchSecret secret;
  secret.workload_digest.fill(digest);
  secret.disk_key = SecretBytes::from_string("key");
  return {true, std::move(secret)};
}

Result<std::optional<host::ManifestBinding>> bind(Tee tee, const host::FoundLaunchSecret& secret,
                                                  bool key_from_caller = false) {
  HostMadeSource source;
  auto bound = host::manifest_binding({tee, key_from_caller, secret, source});
  EXPECT_EQ(source.asked, tee == Tee::simulated || tee == Tee::snp) << to_string(tee);
  return bound;
}

TEST(ManifestBinding, ReportOfTheTeeThatHasOne) {
  auto bound = bind(Tee::simulated, {}).value().value();
  EXPECT_EQ(bound.where, "HOST_DATA");
  EXPECT_TRUE(bound.report.has_value());
  crypto::Sha256Digest digest{};
  EXPECT_EQ(host::check_binding(bound, digest).error().reason, "host_data");
  digest.fill(0x11);
  EXPECT_TRUE(host::check_binding(bound, digest).ok());
}

TEST(ManifestBinding, SevBelievesTheLaunchSecretAlone) {
  for (Tee tee : {Tee::sev, Tee::sev_es}) {
    EXPECT_EQ(bind(tee, secret_for(7)).value()->workload_digest[0], 7);
    // A host that makes the file or its content vanish gains nothing.
    for (auto& absent : {host::FoundLaunchSecret{}, host::FoundLaunchSecret{true, std::nullopt}}) {
      auto refused = bind(tee, absent);
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().reason, "launch_secret");
    }
    // The measured command line said that the caller gives the key: still not without the file.
    EXPECT_FALSE(bind(tee, {}, true).ok());
    EXPECT_FALSE(bind(tee, host::FoundLaunchSecret{true, std::nullopt}, true).value().has_value());
  }
}

TEST(ManifestBinding, ALaunchSecretInAnotherGuestIsRefused) {
  for (Tee tee : {Tee::none, Tee::simulated, Tee::snp, Tee::tdx}) {
    HostMadeSource source;
    auto secret = secret_for(7);
    auto refused = host::manifest_binding({tee, false, secret, source});
    ASSERT_FALSE(refused.ok()) << to_string(tee);
    EXPECT_EQ(refused.error().reason, "launch_secret");
    EXPECT_FALSE(source.asked);
  }
}

TEST(ManifestBinding, WithoutTeeNothingIsBound) {
  EXPECT_FALSE(bind(Tee::none, {}).value().has_value());
}

// This machine is no TDX guest and no SNP guest.
TEST(ManifestBinding, ADeviceThatIsNotThereEndsTheLaunch) {
  HostMadeSource source;
  EXPECT_FALSE(host::manifest_binding({Tee::tdx, false, {}, source}).ok());
  for (Tee tee : {Tee::snp, Tee::tdx}) {
    auto refused = host::evidence_source_of(tee);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().reason, "tee");
  }
  for (Tee tee : {Tee::none, Tee::sev, Tee::sev_es}) {
    auto silent = host::evidence_source_of(tee).value();
    EXPECT_EQ(silent->tee(), tee);
    EXPECT_EQ(silent->evidence(Bytes(64)).error().code, ErrorCode::unsupported);
  }
  EXPECT_EQ(host::evidence_source_of(Tee::simulated).value()->tee(), Tee::simulated);
}

TEST(ManifestBinding, TdReport) {
  Bytes report(1024);
  report[0] = 0x81;  // TEE type TDX
  // TDX module ABI, TDREPORT_STRUCT: 256 of REPORTMACSTRUCT, 239 of TEE_TCB_INFO, 17 reserved;
  // then ATTRIBUTES, XFAM, MRTD.
  const size_t config_id = 256 + 239 + 17 + 8 + 8 + 48;
  for (size_t i = 0; i < 32; ++i) report[config_id + i] = static_cast<uint8_t>(i + 1);
  auto digest = host::digest_of_td_report(report).value();
  EXPECT_EQ(digest[0], 1);
  EXPECT_EQ(digest[31], 32);
  report[config_id + 47] = 1;
  EXPECT_EQ(host::digest_of_td_report(report).error().code, ErrorCode::corrupt);
  report[config_id + 47] = 0;
  report[0] = 0;  // an SGX report
  EXPECT_EQ(host::digest_of_td_report(report).error().code, ErrorCode::corrupt);
  EXPECT_EQ(host::digest_of_td_report(Bytes(100)).error().code, ErrorCode::corrupt);
  EXPECT_EQ(host::digest_of_td_report({}).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::guest::init
