// SNP evidence of a vendor that signs anything: what must be accepted, and each way to be refused,
// which fails the check that is meant and no other.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <functional>

#include "base/file.hpp"
#include "base/json.hpp"
#include "unit/attest/vectors.hpp"
#include "unit/attest/vendor.hpp"

namespace bartizan::test {
namespace {

using attest::evidence::Product;
using attest::evidence::SnpReport;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json vendor_policy() {
  Json policy = {{"version", 1}, {"snp", Json::object()}};
  for (auto [name, product] :
       {std::pair{"milan", Product::milan}, std::pair{"genoa", Product::genoa},
        std::pair{"turin", Product::turin}})
    policy["snp"]["roots"][name] = {public_key_hash(AmdVendor(product).ark.der())};
  return policy;
}

EvidencePolicy with_json(const Json& json) {
  EvidencePolicy policy;
  policy.json = json.dump();
  policy.now = kVendorNow;
  return policy;
}

std::vector<std::string> failed_checks(const EvidenceVerdict& verdict) {
  std::vector<std::string> names;
  for (const EvidenceCheck& check : verdict.checks) {
    if (check.outcome == CheckOutcome::failed) names.push_back(check.name);
  }
  return names;
}

std::string all_checks(const EvidenceVerdict& verdict) {
  std::string text;
  for (const EvidenceCheck& check : verdict.checks) {
    text += fmt::format("{}: {} ({} / {})\n", check.name, to_string(check.outcome), check.expected,
                        check.found);
  }
  return text;
}

struct Refused {
  const char* name;
  std::vector<std::string> checks;  // that fail, and no others
  const char* reason;
  std::function<void(SnpReport&)> report = {};   // before certificates are issued for it
  std::function<void(AmdVendor&)> vendor = {};   // after that
  std::function<void(SnpReport&)> late = {};     // after that, before it is signed
  std::function<void(Evidence&)> evidence = {};  // after it was signed
  Json policy = Json::object();                  // merged into the vendor's
  Product product = Product::milan;
};

Bytes crl(const AmdVendor& vendor, std::vector<long> serials, int64_t to = kVendorTo) {
  return VendorList{vendor.ark.name,    vendor.ark.issuer_key, true,
                    std::move(serials), kVendorFrom,           to}
      .der();
}

Bytes leaf_crl(const AmdVendor& vendor, std::vector<long> serials) {
  return VendorList{vendor.ask.name, vendor.ask.key, true, std::move(serials)}.der();
}

std::string digest(char digit) {
  return std::string(96, digit);
}

// Bits of the guest policy and of the platform, each demanded as it is not.
std::vector<Refused> bit_cases() {
  std::vector<Refused> cases;
  for (const char* name : {"single_socket", "cxl", "memory_aes_256_xts", "rapl_disabled",
                           "ciphertext_hiding", "page_swap_disabled"}) {
    cases.push_back({name, {std::string("guest_policy.") + name}, "policy"});
    cases.back().policy = {{"snp", {{"guest_policy", {{name, true}}}}}};
  }
  cases.push_back({"smt of the guest policy", {"guest_policy.smt"}, "policy"});
  cases.back().policy = {{"snp", {{"guest_policy", {{"smt", false}}}}}};
  for (const char* name : {"tsme", "rapl_disabled", "ciphertext_hiding", "sev_tio"}) {
    cases.push_back({name, {std::string("platform.") + name}, "platform"});
    cases.back().policy = {{"snp", {{"platform", {{name, true}}}}}};
  }
  for (const char* name : {"smt", "ecc", "alias_check_complete"}) {
    cases.push_back({name, {std::string("platform.") + name}, "platform"});
    cases.back().policy = {{"snp", {{"platform", {{name, false}}}}}};
  }
  return cases;
}

// A component of each product below its minimum.
std::vector<Refused> tcb_cases() {
  std::vector<Refused> cases;
  for (auto [name, product] :
       {std::pair{"milan", Product::milan}, std::pair{"genoa", Product::genoa},
        std::pair{"turin", Product::turin}}) {
    std::vector<std::string> components = {"bootloader", "tee", "snp", "microcode"};
    if (product == Product::turin) components.push_back("fmc");
    for (const std::string& low : components) {
      Json minimum = {{"bootloader", 4}, {"tee", 1}, {"snp", 24}, {"microcode", 219}};
      if (product == Product::turin) minimum["fmc"] = 1;
      minimum[low] = minimum[low].get<int>() + 1;
      cases.push_back({"TCB minimum", {"tcb_minimum"}, "tcb"});
      cases.back().product = product;
      cases.back().policy["snp"]["minimum_tcb"][name] = minimum;
    }
  }
  return cases;
}

// What a policy demands in the cases that are named here.
void set_policies(std::vector<Refused>& cases) {
  const std::vector<std::pair<const char*, const char*>> policies = {
      {"guest SVN", R"({"snp":{"minimum_guest_svn":8}})"},
      {"ABI minimum", R"({"snp":{"guest_policy":{"minimum_abi":{"major":1,"minor":51}}}})"},
      {"firmware minimum", R"({"snp":{"minimum_firmware":{"major":1,"minor":55,"build":22}}})"},
      {"product not accepted", R"({"snp":{"products":["genoa","turin"]}})"},
      {"no minimum for the product",
       R"({"snp":{"minimum_tcb":{"genoa":{"bootloader":0,"tee":0,"snp":0,"microcode":0}}}})"},
      {"old report version", R"({"snp":{"report_version":{"minimum":4}}})"},
      {"mitigations before version 5", R"({"snp":{"mitigations":{"launch":"0x1"}}})"},
      {"VCEK not accepted", R"({"snp":{"signers":["vlek"]}})"}};
  for (Refused& one : cases) {
    const std::string name = one.name;
    if (name == "measurement") one.policy["measurements"] = {digest('0'), digest('2')};
    if (name == "host data") one.policy["host_data"] = std::string(64, '0');
    if (name == "report data") one.policy["report_data"] = std::string(128, '0');
    if (name == "ID key") one.policy["snp"]["id_key_digests"] = {digest('5')};
    if (name.ends_with("author key")) one.policy["snp"]["author_key_digests"] = {digest('5')};
    if (name == "chip not accepted") one.policy["snp"]["chip_ids"] = {std::string(128, '5')};
    for (auto [of, text] : policies) {
      if (name == of) one.policy = Json::parse(text);
    }
  }
}

std::vector<Refused> report_cases() {
  auto patch = [](const char* text) { return Json::parse(text); };
  std::vector<Refused> cases = {
      {"debug", {"guest_policy.debug"}, "debug", [](auto& r) { r.policy |= 1 << 19; }},
      {"migration agent",
       {"guest_policy.migration_agent"},
       "policy",
       [](auto& r) { r.policy |= 1 << 18; }},
      {"reserved policy bit off",
       {"guest_policy.form"},
       "policy",
       [](auto& r) { r.policy &= ~uint64_t{1 << 17}; }},
      {"unknown policy bit",
       {"unknown_fields"},
       "unknown_fields",
       [](auto& r) { r.policy |= uint64_t{1} << 40; }},
      {"unknown platform bit",
       {"unknown_fields"},
       "unknown_fields",
       [](auto& r) { r.platform_info |= uint64_t{1} << 20; }},
      {"unknown KEY_INFO bit",
       {"unknown_fields"},
       "unknown_fields",
       [](auto& r) { r.key_info |= 1 << 10; }},
      {"VMPL", {"vmpl"}, "vmpl", [](auto& r) { r.vmpl = 1; }},
      {"signed by nothing", {"signer"}, "certificate_chain", [](auto& r) { r.key_info = 7 << 2; }},
      {"VLEK", {"signer"}, "certificate_chain", [](auto& r) { r.key_info = 1 << 2; }},
      {"masked chip", {"chip_id"}, "certificate_chain", {}, {}, [](auto& r) { r.chip_id.fill(0); }},
      {"other chip", {"chip_id"}, "certificate_chain", {}, {}, [](auto& r) { r.chip_id[9] = 0; }},
      {"version 6", {"report_version"}, "report_version", [](auto& r) { r.version = 6; }},
      {"signature algorithm",
       {"signature_algorithm"},
       "signature",
       [](auto& r) { r.signature_algorithm = 2; }},
      {"report of another product",
       {"product"},
       "certificate_chain",
       [](auto& r) { r.cpuid_model = 0x11; }},
      {"unknown product", {"product"}, "certificate_chain", [](auto& r) { r.cpuid_family = 0x17; }},
      {"committed TCB above current",
       {"tcb_committed"},
       "tcb",
       [](auto& r) { r.committed_tcb += 1; }},
      {"reported TCB above committed",
       {"tcb_reported"},
       "tcb",
       [](auto& r) { r.committed_tcb -= 1; }},
      {"reserved TCB byte", {"tcb_form"}, "tcb", [](auto& r) { r.launch_tcb |= 1 << 16; }},
      {"committed firmware above current",
       {"firmware_committed"},
       "firmware",
       [](auto& r) { r.committed.build += 1; }},
      {"reported TCB not the certificate's",
       {"tcb_certificate"},
       "tcb",
       {},
       {},
       [](auto& r) { r.reported_tcb -= uint64_t{1} << 56; }},
      {"measurement", {"measurement"}, "measurement"},
      {"host data", {"host_data"}, "host_data"},
      {"report data", {"report_data"}, "report_data"},
      {"guest SVN", {"guest_svn"}, "guest_svn"},
      {"ID key", {"id_key_digest"}, "id_key"},
      {"author key", {"author_key_digest"}, "author_key", [](auto& r) { r.key_info = 1; }},
      {"no author key", {"author_key", "author_key_digest"}, "author_key"},
      {"ABI minimum", {"guest_policy.abi"}, "policy"},
      {"firmware minimum", {"minimum_firmware"}, "firmware"},
      {"chip not accepted", {"accepted_chip"}, "chip_id"},
      {"product not accepted", {"accepted_product"}, "product"},
      {"no minimum for the product", {"tcb_minimum"}, "tcb"},
      {"old report version", {"report_version"}, "report_version"},
      {"mitigations before version 5", {"mitigations.launch"}, "mitigation"},
      {"VCEK not accepted", {"signer"}, "certificate_chain"},
  };
  set_policies(cases);
  Refused turin{"mitigations", {"mitigations.current"}, "mitigation"};
  turin.product = Product::turin;
  turin.policy = patch(R"({"snp":{"mitigations":{"launch":"0x5","current":"0x2"}}})");
  cases.push_back(turin);
  for (size_t offset : {0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x1f8, 0x208, 0x29f}) {
    cases.push_back({"reserved byte", {"unknown_fields"}, "unknown_fields"});
    cases.back().report = [offset](auto& r) { r.unknown[offset] = 1; };
  }
  cases.push_back({"reserved byte behind the signature", {"unknown_fields"}, "unknown_fields"});
  cases.back().evidence = [](Evidence& e) { e.report[0x330] = 1; };
  return cases;
}

std::vector<Refused> chain_cases() {
  std::vector<Refused> cases;
  auto vendor = [&cases](const char* name, std::vector<std::string> checks, const char* reason,
                         std::function<void(AmdVendor&)> bend) {
    cases.push_back({name, std::move(checks), reason, {}, std::move(bend)});
  };
  vendor("VCEK not yet valid", {"certificate_dates"}, "date",
         [](auto& v) { v.vcek.from = kVendorNow + 1; });
  vendor("VCEK expired", {"certificate_dates"}, "date",
         [](auto& v) { v.vcek.to = kVendorNow - 1; });
  vendor("ASK expired", {"certificate_dates"}, "date", [](auto& v) { v.ask.to = kVendorNow - 1; });
  vendor("ARK expired", {"certificate_dates"}, "date", [](auto& v) { v.ark.to = kVendorNow - 1; });
  vendor("ARK not its own", {"certificate_chain"}, "certificate_chain",
         [](auto& v) { v.ark.issuer_key = v.ask.key; });
  vendor("ASK signed by another", {"certificate_chain"}, "certificate_chain",
         [](auto& v) { v.ask.issuer_key = v.ask.key; });
  vendor("VCEK signed by the ASVK", {"certificate_chain"}, "certificate_chain",
         [](auto& v) { v.vcek.issuer_key = v.asvk.key; });
  vendor("VCEK signed without PSS", {"certificate_chain"}, "certificate_chain",
         [](auto& v) { v.vcek.pss = false; });
  vendor("VCEK that names another issuer", {"certificate_chain"}, "certificate_chain",
         [](auto& v) { v.vcek.issuer = v.asvk.name; });
  vendor("root of nobody", {"root"}, "certificate_chain",
         [](auto& v) { v.ark.key = v.ark.issuer_key = v.ask.key; });
  vendor("VCEK on P-256", {"signature"}, "signature", [](auto& v) {
    static const VendorKey key = ec_key("P-256");
    v.vcek.key = key;
  });
  vendor("certificate of another product", {"certificate_product"}, "product", [](auto& v) {
    for (auto& [oid, content] : v.vcek.extensions) {
      if (oid == "1.3.6.1.4.1.3704.1.2") content = {0x16, 5, 'T', 'u', 'r', 'i', 'n'};
    }
  });
  vendor("VCEK without a TCB", {"certificate_extensions"}, "certificate_chain",
         [](auto& v) { v.vcek.extensions.erase(v.vcek.extensions.begin()); });
  vendor("VCEK with a TCB twice", {"certificate_extensions"}, "certificate_chain",
         [](auto& v) { v.vcek.extensions.push_back(v.vcek.extensions[0]); });
  vendor("VCEK with a long TCB", {"certificate_extensions"}, "certificate_chain", [](auto& v) {
    v.vcek.extensions[0].second = {2, 2, 1, 0};
  });
  vendor("VCEK with a TCB that is a text", {"certificate_extensions"}, "certificate_chain",
         [](auto& v) {
           v.vcek.extensions[0].second = {0x16, 1, '4'};
         });
  vendor("VCEK with a short chip id", {"certificate_extensions"}, "certificate_chain",
         [](auto& v) { v.vcek.extensions.back().second.resize(63); });
  vendor("VCEK with a malformed product", {"certificate_extensions"}, "certificate_chain",
         [](auto& v) {
           for (auto& [oid, content] : v.vcek.extensions) {
             if (oid == "1.3.6.1.4.1.3704.1.2") content = {0x16, 9, 'M'};
           }
         });
  return cases;
}

std::vector<Refused> evidence_cases() {
  std::vector<Refused> cases;
  auto evidence = [&cases](const char* name, std::vector<std::string> checks, const char* reason,
                           std::function<void(Evidence&)> bend, Json policy = Json::object()) {
    cases.push_back(
        {name, std::move(checks), reason, {}, {}, {}, std::move(bend), std::move(policy)});
  };
  evidence("no VCEK", {"certificates"}, "certificate_chain",
           [](auto& e) { e.certificates.erase(e.certificates.begin()); });
  evidence("no certificates", {"certificates"}, "certificate_chain",
           [](auto& e) { e.certificates.clear(); });
  evidence("ASK of another product", {"certificate_chain"}, "certificate_chain",
           [](auto& e) { e.certificates[1] = AmdVendor(Product::genoa).ask.der(); });
  evidence("ASVK for a VCEK", {"certificate_chain"}, "certificate_chain",
           [](auto& e) { e.certificates[1] = AmdVendor(Product::milan).asvk.der(); });
  evidence("chain without root: AMD's own does not sign it", {"root"}, "certificate_chain",
           [](auto& e) { e.certificates.pop_back(); });
  evidence("signed content changed", {"signature"}, "signature",
           [](auto& e) { e.report[0x50] ^= 1; });
  evidence("r is 0", {"signature"}, "signature",
           [](auto& e) { std::fill_n(e.report.begin() + 0x2a0, 72, uint8_t{0}); });
  evidence("s is 0", {"signature"}, "signature",
           [](auto& e) { std::fill_n(e.report.begin() + 0x2e8, 72, uint8_t{0}); });
  evidence("r above the order", {"signature"}, "signature",
           [](auto& e) { std::fill_n(e.report.begin() + 0x2a0, 48, uint8_t{0xff}); });
  evidence("r too long", {"signature"}, "signature", [](auto& e) { e.report[0x2a0 + 48] = 1; });
  evidence("claims to be simulated", {"simulated"}, "simulated",
           [](auto& e) { e.tee = Tee::simulated; });
  evidence("claims to be simulated, which is allowed", {"simulated"}, "simulated",
           [](auto& e) { e.tee = Tee::simulated; }, {{"allow_simulated", true}});

  evidence("revoked ASK", {"revocation"}, "revoked", [](auto& e) {
    e.revocation_lists = {crl(AmdVendor(Product::milan), {9, 2})};
  });
  evidence("revoked VCEK", {"revocation"}, "revoked",
           [](auto& e) { e.revocation_lists = {leaf_crl(AmdVendor(Product::milan), {4})}; });
  evidence("list that is stale", {"revocation_date"}, "date", [](auto& e) {
    e.revocation_lists = {crl(AmdVendor(Product::milan), {}, kVendorNow - 1)};
  });
  evidence("list that another signed", {"revocation"}, "revoked", [](auto& e) {
    AmdVendor vendor(Product::milan);
    e.revocation_lists = {VendorList{vendor.ark.name, vendor.ask.key, true}.der()};
  });
  evidence("list that is none", {"revocation"}, "revoked", [](auto& e) {
    e.revocation_lists = {{1, 2, 3}};
  });
  evidence("no list, and one is required", {"revocation"}, "revoked", [](auto&) {},
           {{"snp", {{"require_revocation_list", true}}}});
  return cases;
}

std::vector<Refused> all_cases() {
  std::vector<Refused> cases;
  for (auto part : {report_cases(), chain_cases(), evidence_cases(), bit_cases(), tcb_cases()})
    cases.insert(cases.end(), part.begin(), part.end());
  return cases;
}

Evidence made_for(const Refused& one) {
  AmdVendor vendor(one.product);
  SnpReport report = vendor.report();
  if (one.report) one.report(report);
  vendor.issue_for(report);
  if (one.vendor) one.vendor(vendor);
  if (one.late) one.late(report);
  Evidence evidence = vendor.sign(report);
  if (one.evidence) one.evidence(evidence);
  return evidence;
}

TEST(SnpVerdict, EachRefusalHasItsOwnReason) {
  std::vector<Refused> cases = all_cases();
  EXPECT_GE(cases.size(), 100u);
  for (const Refused& one : cases) {
    Json json = vendor_policy();
    json.merge_patch(one.policy);
    Evidence evidence = made_for(one);
    auto verdict = judge_evidence(evidence, with_json(json));
    ASSERT_TRUE(verdict.ok()) << one.name << ": " << verdict.error().describe();
    EXPECT_FALSE(verdict->accepted) << one.name;
    EXPECT_EQ(failed_checks(*verdict), one.checks) << one.name << "\n" << all_checks(*verdict);
    EXPECT_EQ(verdict->reason, one.reason) << one.name;
    EXPECT_FALSE(verdict->message.empty()) << one.name;
    auto verified = verify_evidence(evidence, with_json(json));
    ASSERT_FALSE(verified.ok()) << one.name;
    EXPECT_EQ(verified.error().code, ErrorCode::verification_failed) << one.name;
    EXPECT_EQ(verified.error().reason, one.reason) << one.name;
  }
}

TEST(SnpVerdict, EachProductIsAccepted) {
  for (Product product : {Product::milan, Product::genoa, Product::turin}) {
    AmdVendor vendor(product);
    Json json = vendor_policy();
    Json minimum = {{"bootloader", 4}, {"tee", 1}, {"snp", 24}, {"microcode", 219}};
    if (product == Product::turin) minimum["fmc"] = 1;
    std::string name(attest::evidence::to_string(product));
    name[0] = static_cast<char>(std::tolower(name[0]));
    json["snp"]["minimum_tcb"][name] = minimum;
    json["measurements"] = {digest('1')};
    Evidence evidence = vendor.sign(vendor.report());
    evidence.revocation_lists = {crl(vendor, {77}), leaf_crl(vendor, {77})};
    auto verdict = judge_evidence(evidence, with_json(json));
    ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
    EXPECT_TRUE(verdict->accepted) << all_checks(*verdict);
    EXPECT_EQ(verdict->content->product, attest::evidence::to_string(product));
    EXPECT_EQ(verdict->content->signer, "vcek");
    EXPECT_EQ(Json::parse(verdict->content->tcb), minimum);
  }
}

TEST(SnpVerdict, VlekBelongsToNoChip) {
  AmdVendor vendor(Product::milan);
  SnpReport report = vendor.report();
  report.key_info = 1 << 2;
  report.chip_id.fill(0);
  Json json = vendor_policy();
  json["snp"]["signers"] = {"vlek"};
  auto verdict = judge_evidence(vendor.sign(report), with_json(json));
  ASSERT_TRUE(verdict.ok());
  EXPECT_TRUE(verdict->accepted) << all_checks(*verdict);
  EXPECT_EQ(verdict->content->signer, "vlek");
  Evidence by_ask = vendor.sign(report);
  by_ask.certificates[1] = vendor.ask.der();
  EXPECT_THAT(failed_checks(judge_evidence(by_ask, with_json(json)).value()),
              ElementsAre("certificate_chain"));
}

TEST(SnpVerdict, PolicyDecidesAboutWhatIsNotKnown) {
  AmdVendor vendor(Product::milan);
  SnpReport report = vendor.report();
  report.version = 6;
  report.unknown[0x210] = 9;
  report.chip_id.fill(0);
  report.key_info = 1 << 1;  // MASK_CHIP_KEY
  Json json = vendor_policy();
  json["snp"]["report_version"]["maximum"] = 6;
  json["snp"]["allow_unknown_fields"] = true;
  json["snp"]["allow_masked_chip_id"] = true;
  Evidence evidence = vendor.sign(report);
  auto verdict = judge_evidence(evidence, with_json(json));
  ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
  EXPECT_TRUE(verdict->accepted) << all_checks(*verdict);
  // and it travels: its fields alone would lose a byte
  auto text = evidence_to_json(evidence);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(evidence_from_json(*text, Tee::snp).value().report, evidence.report);
}

TEST(SnpVerdict, ANumberMeansAnotherThingOnTurin) {
  EvidencePolicy policy = with_json(vendor_policy());
  policy.minimum_tcb = 1;
  AmdVendor milan(Product::milan), turin(Product::turin);
  EXPECT_TRUE(verify_evidence(milan.sign(milan.report()), policy).ok());
  auto refused = verify_evidence(turin.sign(turin.report()), policy);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "tcb");
  EXPECT_THAT(refused.error().message, HasSubstr("snp.minimum_tcb.turin"));
}

TEST(SnpVerdict, AllChecksAreToldWhateverFails) {
  AmdVendor vendor(Product::milan);
  SnpReport report = vendor.report();
  report.vmpl = 3;
  report.policy |= 1 << 19;
  auto verdict = judge_evidence(vendor.sign(report), with_json(vendor_policy()));
  ASSERT_TRUE(verdict.ok());
  EXPECT_THAT(failed_checks(*verdict), ElementsAre("guest_policy.debug", "vmpl"));
  EXPECT_EQ(verdict->reason, "debug");
  EXPECT_GT(verdict->checks.size(), 40u);
  ASSERT_TRUE(verdict->content.has_value());
  EXPECT_EQ(verdict->content->vmpl, 3u);
}

TEST(SnpVerdict, AMissingVcekNamesTheNextStepAndComesFromAFolder) {
  AmdVendor vendor(Product::turin);
  Evidence evidence = vendor.sign(vendor.report());
  const Bytes vcek = evidence.certificates[0];
  evidence.certificates.erase(evidence.certificates.begin());
  EvidencePolicy policy = with_json(vendor_policy());
  auto refused = verify_evidence(evidence, policy);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("--collateral"));

  const auto folder = std::filesystem::path(::testing::TempDir()) / "collateral-of-snp";
  std::filesystem::create_directories(folder / "vcek" / "4444444444444444");
  std::filesystem::create_directories(folder / "crl");
  const auto file =
      folder / "vcek" / "4444444444444444" / "bl04_tee01_snp24_ucode219_fmc01_vcek.der";
  ASSERT_TRUE(write_file(file, vcek).ok());
  policy.collateral = folder;
  EXPECT_TRUE(verify_evidence(evidence, policy).ok());
  ASSERT_TRUE(write_file(folder / "crl" / "turin.der", crl(vendor, {2})).ok());
  refused = verify_evidence(evidence, policy);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "revoked");
  std::filesystem::remove_all(folder);
  EXPECT_EQ(verify_evidence(evidence, policy).error().code, ErrorCode::not_found);
}

TEST(SnpVerdict, CertificatesInAnyOrderAndInPem) {
  AmdVendor vendor(Product::genoa);
  Evidence evidence = vendor.sign(vendor.report());
  std::reverse(evidence.certificates.begin(), evidence.certificates.end());
  std::string pem = to_pem(evidence.certificates[2]);
  evidence.certificates[2].assign(pem.begin(), pem.end());
  EXPECT_TRUE(verify_evidence(evidence, with_json(vendor_policy())).ok());
  evidence.certificates.push_back(evidence.certificates[0]);
  EXPECT_EQ(verify_evidence(evidence, with_json(vendor_policy())).error().code, ErrorCode::corrupt);
}

TEST(SnpVerdict, WithoutCertificatesCocosFormHasNull) {
  AmdVendor vendor(Product::milan);
  Evidence evidence = vendor.sign(vendor.report());
  evidence.certificates.clear();
  Json json = Json::parse(evidence_to_json(evidence).value());
  EXPECT_TRUE(json.contains("cert_chain"));
  EXPECT_TRUE(json["cert_chain"].is_null());
  json.erase("cert_chain");
  EXPECT_TRUE(evidence_from_json(json.dump(), Tee::snp).value().certificates.empty());
  json["cert_chain"] = Json::array();
  EXPECT_TRUE(evidence_from_json(json.dump(), Tee::snp).value().certificates.empty());
}

TEST(SnpVerdict, CrlAndVlekTravel) {
  AmdVendor vendor(Product::milan);
  SnpReport report = vendor.report();
  report.key_info = 1 << 2;
  Evidence evidence = vendor.sign(report);
  evidence.revocation_lists = {crl(vendor, {2})};
  std::string text = evidence_to_json(evidence).value();
  EXPECT_THAT(text, HasSubstr(R"("cert_type":"VLEK")"));
  Evidence back = evidence_from_json(text, Tee::snp).value();
  EXPECT_EQ(back.certificates, evidence.certificates);
  EXPECT_EQ(back.revocation_lists, evidence.revocation_lists);
}

TEST(EvidencePolicyJson, WhatIsNotKnownIsRefused) {
  AmdVendor vendor(Product::milan);
  Evidence evidence = vendor.sign(vendor.report());
  for (
      const char* text :
      {"x",
       "[]",
       "{}",
       R"({"version":2})",
       R"({"version":1,"mesurements":[]})",
       R"({"version":1,"measurements":[]})",
       R"({"version":1,"measurements":["00"]})",
       R"({"version":1,"host_data":"zz"})",
       R"({"version":1,"allow_simulated":1})",
       R"({"version":1,"snp":[]})",
       R"({"version":1,"snp":{"minimum_tcb":5}})",
       R"({"version":1,"snp":{"minimum_tcb":{"milan":{"bootloader":1}}}})",
       R"({"version":1,"snp":{"minimum_tcb":{"rome":{}}}})",
       R"({"version":1,"snp":{"minimum_tcb":{"milan":{"bootloader":1,"tee":0,"snp":0,"microcode":0,"fmc":1}}}})",
       R"({"version":1,"snp":{"minimum_tcb":{"milan":{"bootloader":256,"tee":0,"snp":0,"microcode":0}}}})",
       R"({"version":1,"snp":{"products":["rome"]}})",
       R"({"version":1,"snp":{"signers":["x"]}})",
       R"({"version":1,"snp":{"platform":{"smt":"yes"}}})",
       R"({"version":1,"snp":{"mitigations":{"launch":5}}})",
       R"({"version":1,"snp":{"mitigations":{"launch":"5"}}})",
       R"({"version":1,"snp":{"mitigations":{"launch":"0x"}}})",
       R"({"version":1,"snp":{"roots":{"milan":["00"]}}})",
       R"({"version":1,"snp":{"maximum_vmpl":-1}})",
       R"({"version":1,"tdx":{"xfam":{"required":"0x1g"}}})",
       R"({"version":1,"tdx":{"rtmr_4":[]}})"}) {
    EvidencePolicy policy;
    policy.json = text;
    auto verdict = judge_evidence(evidence, policy);
    ASSERT_FALSE(verdict.ok()) << text;
    EXPECT_EQ(verdict.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_THAT(verdict.error().message, HasSubstr("evidence policy")) << text;
  }
}

// A value of a wrong kind at each place of the schema: the error must be about the value.
void expect_known(const Json& schema, const std::vector<std::string>& path) {
  for (const auto& [name, member] : schema.at("properties").items()) {
    if (name == "$schema") continue;
    std::vector<std::string> here = path;
    here.push_back(name);
    if (member.contains("properties")) expect_known(member, here);
    Json policy = {{"version", 1}};
    Json* place = &policy;
    for (const std::string& part : here) place = &(*place)[part];
    *place = 1.5;
    auto verdict = judge_evidence({}, with_json(policy));
    ASSERT_FALSE(verdict.ok());
    EXPECT_EQ(verdict.error().code, ErrorCode::invalid_argument) << policy;
    EXPECT_THAT(verdict.error().message, ::testing::Not(HasSubstr("is not a known member")))
        << policy;
  }
}

TEST(EvidencePolicyJson, EveryMemberOfTheSchemaIsKnown) {
  const auto path =
      std::filesystem::path(BARTIZAN_SOURCE_DIR) / "docs/reference" / "evidence-policy.schema.json";
  expect_known(Json::parse(as_text(read_file(path, 1 << 20).value())), {});
}

TEST(EvidencePolicyJson, BothPartsAreDemanded) {
  AmdVendor vendor(Product::milan);
  Evidence evidence = vendor.sign(vendor.report());
  Json json = vendor_policy();
  json["measurements"] = {digest('1')};
  EvidencePolicy policy = with_json(json);
  policy.measurements = {Bytes(48, 0x11)};
  EXPECT_TRUE(verify_evidence(evidence, policy).ok());
  policy.measurements = {Bytes(48, 0x12)};
  EXPECT_EQ(verify_evidence(evidence, policy).error().reason, "measurement");
}

TEST(RealVlek, OfACloudsHost) {
  const auto folder =
      std::filesystem::path(BARTIZAN_SOURCE_DIR) / "tests/unit/attest/vendor_evidence";
  Evidence evidence{Tee::snp,
                    read_file(folder / "milan-v3-vlek.report.bin", 4096).value(),
                    {read_file(folder / "milan-v3-vlek.vlek.der", 4096).value()}};
  EvidencePolicy policy;
  policy.now = 1'760'000'000;  // October 2025
  EXPECT_EQ(verify_evidence(evidence, policy).error().reason, "certificate_chain");
  policy.json = R"({"version":1,"snp":{"signers":["vlek"],"maximum_vmpl":1}})";
  auto verdict = judge_evidence(evidence, policy);
  ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
  EXPECT_TRUE(verdict->accepted) << all_checks(*verdict);
  policy.json = R"({"version":1,"snp":{"signers":["vlek"]}})";
  EXPECT_THAT(failed_checks(judge_evidence(evidence, policy).value()), ElementsAre("vmpl"));
  policy.json = R"({"version":1,"snp":{"signers":["vlek"],"maximum_vmpl":1}})";
  policy.now = 1'770'000'000;
  EXPECT_THAT(failed_checks(judge_evidence(evidence, policy).value()),
              ElementsAre("certificate_dates"));
}

// Files of PEM hold chains in any order, and comments.
TEST(GivenPem, AllOfAFileIsRead) {
  AmdVendor vendor(Product::milan);
  const auto report = vendor.report();
  vendor.issue_for(report);
  Evidence evidence = vendor.sign(report);
  std::string all = "# from the vendor\n";
  for (auto one = evidence.certificates.rbegin(); one != evidence.certificates.rend(); ++one)
    all += to_pem(*one);
  evidence.certificates = {Bytes(all.begin(), all.end())};
  EvidencePolicy policy;
  policy.now = kVendorNow;
  policy.json =
      Json{{"version", 1}, {"snp", {{"roots", {{"milan", {public_key_hash(vendor.ark.der())}}}}}}}
          .dump();
  auto verdict = judge_evidence(evidence, policy);
  ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
  EXPECT_TRUE(verdict->accepted) << all_checks(*verdict);
}

}  // namespace
}  // namespace bartizan::test
