// Evidence of real processors, which our code did not make, and of a synthetic chain, which signs
// what no processor would.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>

#include "attest/evidence/certificate_table.hpp"
#include "attest/evidence/simulated_signer.hpp"
#include "attest/evidence/vcek_extensions.hpp"
#include "attest/verify/chain.hpp"
#include "attest/verify/vendor_certificates.hpp"
#include "bartizan/attest.hpp"
#include "base/json.hpp"
#include "unit/attest/vectors.hpp"

namespace bartizan::test {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kIn2025 = 1'750'000'000;  // inside the validity of all vectors

EvidencePolicy at(int64_t now) {
  EvidencePolicy policy;
  policy.now = now;
  return policy;
}

void expect_reason(const Result<VerifiedEvidence>& result, std::string_view reason) {
  ASSERT_FALSE(result.ok()) << "expected " << reason;
  EXPECT_EQ(result.error().code, ErrorCode::verification_failed) << result.error().describe();
  EXPECT_EQ(result.error().reason, reason) << result.error().describe();
}

Evidence milan_plain() {
  Bytes hex = vector_file("snp/milan-v2-plain.report.hex");
  std::string_view text = as_text(hex);
  while (text.ends_with('\n')) text.remove_suffix(1);
  return snp_evidence(from_hex(text).value(), vector_file("snp/milan-v2-plain.vcek.der"), "milan");
}

TEST(RealEvidence, MilanVersion2) {
  SKIP_WITHOUT_VECTORS();
  auto verified = verify_evidence(milan_plain(), at(kIn2025));
  ASSERT_TRUE(verified.ok()) << verified.error().describe();
  EXPECT_EQ(verified->version, 2u);
  EXPECT_EQ(verified->policy, 0x30000u);
  EXPECT_EQ(verified->chip_id.substr(0, 8), "d49554ec");
}

TEST(RealEvidence, MilanWithDebugPolicyIsRefusedByName) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = snp_evidence(vector_file("snp/milan-v2-debug-policy.report.bin"),
                                   vector_file("snp/milan-v2-debug-policy.vcek.der"), "milan");
  expect_reason(verify_evidence(evidence, at(kIn2025)), "debug");
  EvidencePolicy lenient = at(kIn2025);
  lenient.allow_debug = true;
  auto verified = verify_evidence(evidence, lenient);
  EXPECT_TRUE(verified.ok()) << verified.error().describe();
}

TEST(RealEvidence, MilanWithIdKey) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = snp_evidence(vector_file("snp/milan-v2-idkey.report.bin"),
                                   vector_file("snp/milan-v2-idkey.vcek.der"), "milan");
  auto verified = verify_evidence(evidence, at(kIn2025));
  EXPECT_TRUE(verified.ok()) << verified.error().describe();
}

Evidence bergamo() {
  Bytes json = vector_file("snp/bergamo-v3.trustee-evidence.json");
  Evidence evidence = evidence_from_json(as_text(json), Tee::snp).value();
  for (Bytes& authority : authorities("genoa"))
    evidence.certificates.push_back(std::move(authority));
  return evidence;
}

TEST(RealEvidence, BergamoVersion3FromTrusteesJson) {
  SKIP_WITHOUT_VECTORS();
  auto verified = verify_evidence(bergamo(), at(kIn2025));
  ASSERT_TRUE(verified.ok()) << verified.error().describe();
  EXPECT_EQ(verified->version, 3u);
}

TEST(RealEvidence, JsonIsTrustees) {
  SKIP_WITHOUT_VECTORS();
  Bytes original = vector_file("snp/bergamo-v3.trustee-evidence.json");
  Evidence evidence = evidence_from_json(as_text(original), Tee::snp).value();
  auto theirs = parse_json(as_text(original), "theirs").value();
  auto ours = parse_json(evidence_to_json(evidence).value(), "ours").value();
  for (const char* name : {"launch_mit_vector", "current_mit_vector"}) {  // absent there, null here
    EXPECT_TRUE(ours["attestation_report"][name].is_null());
    ours["attestation_report"].erase(name);
  }
  EXPECT_EQ(ours, theirs);
}

TEST(RealEvidence, EveryBitOfTheReportCounts) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = milan_plain();
  auto bits = [](size_t byte) { return byte % 8; };
  for (size_t byte = 0; byte < attest::evidence::kSignedSize + 144; ++byte) {
    Evidence flipped = evidence;
    flipped.report[byte] ^= static_cast<uint8_t>(1 << bits(byte));
    EXPECT_FALSE(verify_evidence(flipped, at(kIn2025)).ok()) << "byte " << byte;
  }
}

TEST(RealEvidence, AuthoritiesOfAnotherProduct) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = milan_plain();
  std::vector<Bytes> genoa = authorities("genoa");
  Evidence other_ask = evidence;
  other_ask.certificates[1] = genoa[0];
  expect_reason(verify_evidence(other_ask, at(kIn2025)), "certificate_chain");
  Evidence other_both = other_ask;
  other_both.certificates[2] = genoa[1];
  expect_reason(verify_evidence(other_both, at(kIn2025)), "certificate_chain");
}

TEST(RealEvidence, VcekOfAnotherChip) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = milan_plain();
  evidence.certificates[0] = vector_file("snp/milan-v2-idkey.vcek.der");
  expect_reason(verify_evidence(evidence, at(kIn2025)), "signature");
}

TEST(RealEvidence, Dates) {
  SKIP_WITHOUT_VECTORS();
  expect_reason(verify_evidence(milan_plain(), at(1'600'000'000)), "date");  // 2020
  expect_reason(verify_evidence(milan_plain(), at(1'960'000'000)), "date");  // 2032
}

TEST(RealEvidence, TheVcekAloneIsEnough) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = milan_plain();
  evidence.certificates.pop_back();
  EXPECT_TRUE(verify_evidence(evidence, at(kIn2025)).ok());
  evidence.certificates.pop_back();
  EXPECT_TRUE(verify_evidence(evidence, at(kIn2025)).ok());
  Evidence trustees =
      evidence_from_json(as_text(vector_file("snp/bergamo-v3.trustee-evidence.json")), Tee::snp)
          .value();
  EXPECT_TRUE(verify_evidence(trustees, at(kIn2025)).ok());
  evidence.certificates.clear();
  auto refused = verify_evidence(evidence, at(kIn2025));
  expect_reason(refused, "certificate_chain");
  EXPECT_THAT(refused.error().message, HasSubstr("VCEK"));
}

TEST(RealEvidence, BuiltInAuthoritiesAreThoseOfTheVectors) {
  SKIP_WITHOUT_VECTORS();
  using attest::evidence::Product;
  for (auto [name, product] :
       {std::pair{"milan", Product::milan}, std::pair{"genoa", Product::genoa},
        std::pair{"turin", Product::turin}}) {
    Bytes pem = vector_file("snp/ca_" + std::string(name) + ".pem");
    auto all = crypto::Certificate::all_from_pem(as_text(pem)).value();
    using namespace attest::verify;  // NOLINT: the functions under test
    EXPECT_EQ(amd_authority(product, SignerKind::vcek).value().der(), all.at(0).der());
    EXPECT_EQ(amd_root(product).value().der(), all.at(1).der());
    EXPECT_EQ(amd_authority(product, SignerKind::vlek).value().der(), all.at(2).der());
    EXPECT_EQ(product_of_amd_root(to_hex(all.at(1).public_key_hash())), product);
    EXPECT_TRUE(all.at(0).issued_by(all.at(1)) && all.at(2).issued_by(all.at(1)));
  }
}

TEST(RealEvidence, UnchainedCertificatesParseAndAreRefused) {
  SKIP_WITHOUT_VECTORS();
  std::string expected;
  for (int i = 0; i < 64; ++i) expected += fmt::format("{:02x}", i);
  for (const char* name :
       {"snp/unchained-hwid-raw.vcek.der", "snp/unchained-hwid-octetstring.vcek.der"}) {
    auto certificate = crypto::Certificate::from_der(vector_file(name)).value();
    auto extensions =
        attest::evidence::read_vcek_extensions(certificate, attest::evidence::Product::milan);
    ASSERT_TRUE(extensions.ok()) << extensions.error().describe();
    EXPECT_EQ(to_hex(extensions->hardware_id), expected);
    Evidence evidence = milan_plain();
    evidence.certificates[0] = vector_file(name);
    expect_reason(verify_evidence(evidence, at(kIn2025)), "certificate_chain");
  }
}

TEST(RealEvidence, TurinChainAndExtensions) {
  SKIP_WITHOUT_VECTORS();
  attest::verify::GivenCertificates given;
  given.vcek = crypto::Certificate::from_der(vector_file("snp/turin.vcek.der")).value();
  attest::verify::Demands demands =
      attest::verify::read_policy(at(given.vcek->not_before() + 1)).value();
  attest::verify::Checks checks;
  auto chain = attest::verify::check_chain(checks, given, attest::verify::SignerKind::vcek, false,
                                           std::nullopt, demands);
  ASSERT_TRUE(chain.has_value()) << checks.first_failure()->describe();
  EXPECT_TRUE(checks.accepted());
  EXPECT_EQ(chain->product, attest::evidence::Product::turin);
  auto extensions = attest::evidence::read_vcek_extensions(*given.vcek, chain->product);
  ASSERT_TRUE(extensions.ok()) << extensions.error().describe();
  EXPECT_EQ(to_hex(extensions->hardware_id), "1e550a8ee5cf9f4d");
  EXPECT_EQ(extensions->tcb.microcode, 9);
  EXPECT_EQ(extensions->product_name, "Turin");
}

class SimulatedEvidence : public ::testing::Test {
 protected:
  void SetUp() override { signer_.emplace(attest::evidence::SimulatedSigner::create().value()); }
  EvidencePolicy allow() {
    EvidencePolicy policy;
    policy.allow_simulated = true;
    return policy;
  }
  Result<VerifiedEvidence> verify_bent(
      const std::function<void(attest::evidence::SnpReport&)>& bend) {
    attest::evidence::SnpReport report = signer_->report_template();
    bend(report);
    return verify_evidence(signer_->sign_report(report).value(), allow());
  }
  std::optional<attest::evidence::SimulatedSigner> signer_;
};

TEST_F(SimulatedEvidence, IsRefusedByNameUnlessAllowed) {
  Evidence evidence = signer_->sign({}).value();
  expect_reason(verify_evidence(evidence, {}), "simulated");
  auto verified = verify_evidence(evidence, allow());
  ASSERT_TRUE(verified.ok()) << verified.error().describe();
  EXPECT_EQ(verified->tee, Tee::simulated);
  EXPECT_EQ(verified->version, 3u);
}

TEST_F(SimulatedEvidence, CannotPassForReal) {
  Evidence evidence = signer_->sign({}).value();
  evidence.tee = Tee::snp;
  expect_reason(verify_evidence(evidence, {}), "simulated");
  expect_reason(verify_evidence(evidence, allow()), "simulated");
}

TEST_F(SimulatedEvidence, RealCannotPassForSimulated) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence = milan_plain();
  evidence.tee = Tee::simulated;
  EvidencePolicy policy = allow();
  policy.now = kIn2025;
  expect_reason(verify_evidence(evidence, policy), "simulated");
}

TEST_F(SimulatedEvidence, DemandsAreChecked) {
  attest::evidence::SimulatedSigner::Fields fields;
  fields.measurement.fill(1);
  fields.host_data.fill(2);
  fields.report_data.fill(3);
  Evidence evidence = signer_->sign(fields).value();
  EvidencePolicy good = allow();
  good.measurements = {Bytes(48, 9), Bytes(48, 1)};
  good.host_data = Bytes(32, 2);
  good.report_data = Bytes(64, 3);
  EXPECT_TRUE(verify_evidence(evidence, good).ok());

  EvidencePolicy bad = good;
  bad.measurements = {Bytes(48, 9)};
  expect_reason(verify_evidence(evidence, bad), "measurement");
  bad = good;
  bad.measurements = {Bytes(47, 1)};  // a prefix is no match
  expect_reason(verify_evidence(evidence, bad), "measurement");
  bad = good;
  bad.host_data = Bytes(32, 9);
  expect_reason(verify_evidence(evidence, bad), "host_data");
  bad = good;
  bad.report_data = Bytes(64, 9);
  expect_reason(verify_evidence(evidence, bad), "report_data");
  bad = good;
  bad.minimum_tcb = uint64_t{255} << 56;
  expect_reason(verify_evidence(evidence, bad), "tcb");
}

TEST_F(SimulatedEvidence, WellSignedButWrong) {
  expect_reason(verify_bent([](auto& r) { r.policy &= ~attest::evidence::kPolicyReservedOne; }),
                "policy");
  expect_reason(verify_bent([](auto& r) { r.policy |= attest::evidence::kPolicyDebug; }), "debug");
  expect_reason(verify_bent([](auto& r) { r.policy |= attest::evidence::kPolicyMigrationAgent; }),
                "policy");
  expect_reason(verify_bent([](auto& r) { r.vmpl = 2; }), "vmpl");
  expect_reason(verify_bent([](auto& r) { r.signature_algorithm = 2; }), "signature");
  expect_reason(verify_bent([](auto& r) { r.key_info = 1 << 2; }),
                "certificate_chain");  // says VLEK
  expect_reason(verify_bent([](auto& r) { r.cpuid_model = 0x11; }),
                "certificate_chain");  // says Genoa
  expect_reason(verify_bent([](auto& r) { r.cpuid_family = 0x17; }), "certificate_chain");
  expect_reason(verify_bent([](auto& r) { r.chip_id.fill(0); }), "certificate_chain");
  expect_reason(verify_bent([](auto& r) { r.reported_tcb += 1; }), "tcb");
  expect_reason(verify_bent([](auto& r) { r.committed_tcb += 1; }), "tcb");
  expect_reason(verify_bent([](auto& r) { r.current_tcb -= 1; }), "tcb");
}

TEST_F(SimulatedEvidence, ReservedBytesAreRefused) {
  for (size_t offset : {0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x208, 0x29f, 0x330, 0x49f}) {
    Evidence evidence = signer_->sign({}).value();
    evidence.report[offset] = 1;
    expect_reason(verify_evidence(evidence, allow()), "unknown_fields");
  }
}

TEST_F(SimulatedEvidence, ChainOfAnotherSigner) {
  Evidence mine = signer_->sign({}).value();
  Evidence theirs = attest::evidence::SimulatedSigner::create().value().sign({}).value();
  Evidence mixed = mine;
  mixed.certificates = theirs.certificates;
  expect_reason(verify_evidence(mixed, allow()), "signature");
  mixed = mine;
  mixed.certificates[2] = theirs.certificates[2];
  expect_reason(verify_evidence(mixed, allow()), "certificate_chain");
}

TEST_F(SimulatedEvidence, CertificateTableCarriesTheChain) {
  Bytes table = signer_->certificate_table();
  auto certificates = attest::evidence::decode_certificate_table(table);
  ASSERT_TRUE(certificates.ok()) << certificates.error().describe();
  EXPECT_EQ(*certificates, signer_->sign({}).value().certificates);
  // uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd").bytes_le in Python, and those of ASK, ARK
  EXPECT_EQ(to_hex(ByteView(table).first(16)), "8d75da6364e66445adc5f4b93be8accd");
  EXPECT_EQ(to_hex(ByteView(table).subspan(24, 16)), "79b3b74aacbbe44fa02f05aef327c782");
  EXPECT_EQ(to_hex(ByteView(table).subspan(48, 16)), "a406b4c003a8524997433fb6014cd0ae");
  for (size_t size = 0; size < 96; ++size)
    EXPECT_FALSE(attest::evidence::decode_certificate_table(ByteView(table).first(size)).ok());
  store_le(&table[16], uint32_t{0xfffffff0});
  EXPECT_FALSE(attest::evidence::decode_certificate_table(table).ok());
  EXPECT_TRUE(
      // what KVM gives without a table
      attest::evidence::decode_certificate_table(Bytes(24)).value().empty());
}

TEST_F(SimulatedEvidence, JsonRoundTripInEachVersion) {
  for (uint32_t version = attest::evidence::kMinReportVersion;
       version <= attest::evidence::kMaxReportVersion; ++version) {
    attest::evidence::SnpReport report = signer_->report_template();
    report.version = version;
    if (version < 3) report.cpuid_family = report.cpuid_model = report.cpuid_stepping = 0;
    if (version >= 5) report.launch_mitigation_vector = 0x8000000000000001;
    Evidence evidence = signer_->sign_report(report).value();
    auto back = evidence_from_json(evidence_to_json(evidence).value(), Tee::simulated);
    ASSERT_TRUE(back.ok()) << back.error().describe();
    EXPECT_EQ(back->report, evidence.report);
    EXPECT_EQ(back->certificates, evidence.certificates);
    EXPECT_TRUE(verify_evidence(*back, allow()).ok()) << version;
  }
}

TEST_F(SimulatedEvidence, TurinLayoutInJson) {
  attest::evidence::SnpReport report = signer_->report_template();
  report.cpuid_family = 0x1a;
  report.cpuid_model = 0x02;
  report.reported_tcb = 0x0900000004030201;
  report.current_tcb = report.committed_tcb = report.launch_tcb = report.reported_tcb;
  Evidence evidence = signer_->sign_report(report).value();
  std::string json = evidence_to_json(evidence).value();
  EXPECT_THAT(json, HasSubstr(R"("fmc":1)"));
  EXPECT_EQ(evidence_from_json(json, Tee::simulated).value().report, evidence.report);
}

TEST(Evidence, SevBringsNone) {
  auto verified = verify_evidence({Tee::sev, Bytes(5000), {}}, {});
  ASSERT_FALSE(verified.ok());
  EXPECT_EQ(verified.error().code, ErrorCode::unsupported);
  EXPECT_THAT(verified.error().message, HasSubstr("sev"));
}

TEST(Evidence, BrokenJson) {
  for (const char* text : {"", "null", "[]", "{}", R"({"attestation_report":{}})",
                           R"({"attestation_report":{"version":-1}})",
                           R"({"attestation_report":{"version":3,"guest_svn":4294967296}})"}) {
    auto evidence = evidence_from_json(text, Tee::snp);
    ASSERT_FALSE(evidence.ok()) << text;
    EXPECT_EQ(evidence.error().code, ErrorCode::corrupt) << text;
  }
}

}  // namespace
}  // namespace bartizan::test
