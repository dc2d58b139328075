// TDX quotes: of real platforms, with Intel's collateral at the time when it was valid, and of a
// vendor that signs anything, each bent so that one check fails.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "attest/verify/pck_extension.hpp"
#include "attest/verify/tdx_quote.hpp"
#include "unit/attest/vectors.hpp"
#include "unit/attest/vendor_tdx.hpp"

namespace bartizan::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Names = std::set<std::string>;

EvidencePolicy tdx_policy(const Json& more = Json::object()) {
  Json json = {{"version", 1}};
  json["tdx"]["roots"] = {public_key_hash(IntelVendor(4).root.der())};
  json.merge_patch(more);
  EvidencePolicy policy;
  policy.json = json.dump();
  policy.now = kVendorNow;
  return policy;
}

Names failed_names(const EvidenceVerdict& verdict) {
  Names names;
  for (const EvidenceCheck& check : verdict.checks) {
    if (check.outcome == CheckOutcome::failed) names.insert(check.name);
  }
  return names;
}

std::string checks_text(const EvidenceVerdict& verdict) {
  std::string text;
  for (const EvidenceCheck& check : verdict.checks) {
    text += fmt::format("{}: {} ({} / {})\n", check.name, to_string(check.outcome), check.expected,
                        check.found);
  }
  return text;
}

struct TdxRefused {
  std::string name;
  Names checks;  // that fail, and no others
  const char* reason;
  std::function<void(IntelVendor&)> vendor = {};
  std::function<void(Evidence&)> evidence = {};
  Json policy = Json::object();
  uint16_t version = 4;
};

// Where the signature data of a version 4 quote begin, and parts in them.
constexpr size_t kSignatureAt = 48 + 584 + 4, kQeReportAt = kSignatureAt + 128 + 6;

void bend_collateral(Evidence& evidence, const std::function<void(Json&)>& bend) {
  Json json = Json::parse(evidence.collateral);
  bend(json);
  evidence.collateral = json.dump();
}

std::vector<TdxRefused> content_cases() {
  std::vector<TdxRefused> cases = {
      {"debug", {"attributes.debug"}, "debug", [](auto& v) { v.body[kTdAttributes] = 1; }},
      {"SEPT_VE_DISABLE off",
       {"attributes.sept_ve_disable"},
       "attributes",
       [](auto& v) { v.body[kTdAttributes + 3] = 0; }},
      {"migratable",
       {"attributes.migratable"},
       "attributes",
       [](auto& v) { v.body[kTdAttributes + 3] |= 0x20; }},
      {"unknown attribute",
       {"unknown_fields"},
       "unknown_fields",
       [](auto& v) { v.body[kTdAttributes + 1] = 4; }},
      {"XFAM without SSE", {"xfam"}, "xfam", [](auto& v) { v.body[kTdXfam] = 1; }},
      {"QE of another vendor", {"qe_vendor"}, "qe", [](auto& v) { v.header[12] ^= 1; }},
      {"trailing bytes",
       {"trailing_bytes"},
       "unknown_fields",
       [](auto& v) {
         v.trailing = {0, 0, 1};
       }},
      {"MRCONFIGID with more behind the digest", {"host_data"}, "host_data", [](auto& v) {
         v.body[kTdMrConfigId + 40] = 1;
       }}};
  cases.back().policy = {{"host_data", to_hex(Bytes(32, 0x22))}};
  auto demand = [&cases](std::string check, const char* reason, Json policy) {
    cases.push_back({check + " as demanded", {check}, reason});
    cases.back().policy = std::move(policy);
  };
  const Json other = {std::string(96, '9')};
  demand("measurement", "measurement", {{"measurements", other}});
  demand("host_data", "host_data", {{"host_data", std::string(64, '9')}});
  demand("report_data", "report_data", {{"report_data", std::string(128, '9')}});
  for (const char* name : {"mr_seam", "mr_config_id", "mr_owner", "mr_owner_config"})
    demand(name, "measurement", {{"tdx", {{name, other}}}});
  for (const char* name : {"rtmr_0", "rtmr_1", "rtmr_2", "rtmr_3"})
    demand(name, "runtime_measurement", {{"tdx", {{name, other}}}});
  demand("xfam", "xfam", {{"tdx", {{"xfam", {{"allowed", "0x3"}}}}}});
  demand("xfam", "xfam", {{"tdx", {{"xfam", {{"required", "0x18"}}}}}});
  for (const char* name : {"protection_keys", "key_locker", "performance_monitoring"}) {
    demand(std::string("attributes.") + name, "attributes",
           {{"tdx", {{"attributes", {{name, true}}}}}});
  }
  demand("event_log", "event_log", {{"tdx", {{"require_event_log", true}}}});
  cases.push_back({"event log that is none", {"event_log"}, "event_log", {}, [](Evidence& e) {
                     e.event_log = Bytes(100, 7);
                   }});
  cases.push_back({"event log of something else", {"event_log"}, "event_log", {}, [](Evidence& e) {
                     e.event_log = event_log({{1, Bytes(48, 5)}});
                   }});
  cases.push_back({"event log that lacks an event",
                   {"event_log"},
                   "event_log",
                   [](auto& v) {
                     v.set(kTdRtmr0, extended({Bytes(48, 1), Bytes(48, 2)}));
                   },
                   [](Evidence& e) {
                     e.event_log = event_log({{0, Bytes(48, 1)}});
                   }});
  return cases;
}

std::vector<TdxRefused> signature_cases() {
  auto flip = [](size_t at) { return [at](Evidence& e) { e.report[at] ^= 1; }; };
  std::vector<TdxRefused> cases = {
      {"TD report changed", {"signature"}, "signature", {}, flip(48 + kTdMrTd)},
      {"user data changed", {"signature"}, "signature", {}, flip(40)},
      {"signature changed", {"signature"}, "signature", {}, flip(kSignatureAt)},
      {"attestation key changed",
       {"signature", "qe_report_data"},
       "signature",
       {},
       flip(kSignatureAt + 64)},
      {"QE report changed", {"qe_signature"}, "signature", {}, flip(kQeReportAt)},
      {"QE signature changed", {"qe_signature"}, "signature", {}, flip(kQeReportAt + 384)},
      {"authentication data changed",
       {"qe_report_data"},
       "signature",
       {},
       flip(kQeReportAt + 384 + 64 + 2)},
      {"attestation key that nobody vouches for",
       {"qe_report_data"},
       "signature",
       [](auto& v) { v.bind_attestation_key = false; }},
      {"attestation key of another quote",
       {"signature"},
       "signature",
       {},
       [](Evidence& e) { std::fill_n(e.report.begin() + kSignatureAt, 64, uint8_t{0}); }},
      {"PCK certificate missing", {"certificates"}, "certificate_chain", {}, [](Evidence& e) {
         const std::string_view begin = "-----BEGIN";  // spoilt in place: lengths stay
         auto at = std::search(e.report.begin(), e.report.end(), begin.begin(), begin.end());
         at[3] = 'x';
       }}};
  for (TdxRefused& one : std::vector<TdxRefused>(
           {{"version 5: TD report changed", {"signature"}, "signature", {}, flip(54 + kTdMrTd)},
            {"version 5: MR_SERVICETD changed", {"signature"}, "signature", {}, flip(54 + 640)}})) {
    one.version = 5;
    cases.push_back(one);
  }
  return cases;
}

std::vector<TdxRefused> pck_cases() {
  std::vector<TdxRefused> cases;
  auto add = [&cases](const char* name, Names checks, const char* reason,
                      std::function<void(IntelVendor&)> bend) {
    cases.push_back({name, std::move(checks), reason, std::move(bend)});
  };
  add("PCK expired", {"certificate_dates"}, "date", [](auto& v) { v.pck.to = kVendorNow - 1; });
  add("PCK not yet valid", {"certificate_dates"}, "date",
      [](auto& v) { v.pck.from = kVendorNow + 1; });
  add("authority expired", {"certificate_dates"}, "date",
      [](auto& v) { v.authority.to = kVendorNow - 1; });
  add("root expired", {"certificate_dates"}, "date", [](auto& v) { v.root.to = kVendorNow - 1; });
  add("TCB signer expired", {"certificate_dates"}, "date",
      [](auto& v) { v.tcb_signer.to = kVendorNow - 1; });
  add("root of nobody", {"root"}, "certificate_chain",
      [](auto& v) { v.root.key = v.root.issuer_key = v.pck.key; });
  add("root not its own", {"certificate_chain"}, "certificate_chain",
      [](auto& v) { v.root.issuer_key = v.pck.key; });
  add("authority signed by another", {"certificate_chain"}, "certificate_chain",
      [](auto& v) { v.authority.issuer_key = v.pck.key; });
  add("authority that is none", {"certificate_chain"}, "certificate_chain",
      [](auto& v) { v.authority.ca = false; });
  add("PCK signed by another", {"certificate_chain"}, "certificate_chain",
      [](auto& v) { v.pck.issuer_key = v.root.key; });
  add("PCK of another purpose", {"certificate_role"}, "certificate_chain",
      [](auto& v) { v.pck.name = "Intel SGX TCB Signing"; });
  add("PCK that is an authority", {"certificate_role"}, "certificate_chain",
      [](auto& v) { v.pck.ca = true; });
  const std::string oid(attest::verify::kOidSgxExtension);
  auto extension = [&](const char* name, std::function<void(Bytes&)> bend) {
    add(name, {"platform"}, "certificate_chain", [bend, oid](IntelVendor& v) {
      Bytes content = v.pck_extension();
      bend(content);
      v.pck.extensions = {{oid, content}};
    });
  };
  extension("extension cut short", [](Bytes& der) { der.pop_back(); });
  extension("extension with more behind it", [](Bytes& der) { der.push_back(0); });
  extension("extension that is empty", [](Bytes& der) { der = {0x30, 0}; });
  extension("extension of another kind", [](Bytes& der) { der[0] = 0x31; });
  extension("extension with other names", [](Bytes& der) { der[10] ^= 1; });
  extension("extension with endless length", [](Bytes& der) { der[1] = 0x84; });
  add("no extension", {"platform"}, "certificate_chain", [](auto& v) {
    v.pck.extensions = {{"1.2.3.4", {5, 0}}};
  });
  add("authority revoked", {"root_revocation"}, "revoked",
      [](auto& v) { v.revoked_by_root = {2}; });
  add("PCK revoked", {"pck_revocation"}, "revoked", [](auto& v) {
    v.revoked_by_authority = {8, 3};
  });
  add("TCB signer revoked", {"tcb_info.revocation", "qe_identity.revocation"}, "revoked",
      [](auto& v) { v.revoked_by_root = {4}; });
  add("root's list stale", {"root_revocation.date"}, "date",
      [](auto& v) { v.root_list_to = kVendorNow - 1; });
  add("PCK list stale", {"pck_revocation.date"}, "date",
      [](auto& v) { v.pck_list_to = kVendorNow - 1; });
  add("root's list by another", {"root_revocation"}, "revoked",
      [](auto& v) { v.root_list_key = v.pck.key; });
  add("PCK list by another", {"pck_revocation"}, "revoked",
      [](auto& v) { v.pck_list_key = v.root.key; });
  return cases;
}

std::vector<TdxRefused> collateral_cases() {
  std::vector<TdxRefused> cases;
  auto add = [&cases](std::string name, Names checks, const char* reason,
                      std::function<void(IntelVendor&)> bend) {
    cases.push_back({std::move(name), std::move(checks), reason, std::move(bend)});
  };
  auto after = [&cases](std::string name, Names checks, const char* reason,
                        std::function<void(Json&)> bend) {
    cases.push_back({std::move(name), std::move(checks), reason, {}, [bend](Evidence& e) {
                       bend_collateral(e, bend);
                     }});
  };
  cases.push_back({"no collateral", {"collateral"}, "collateral", {}, [](Evidence& e) {
                     e.collateral.clear();
                   }});
  cases.push_back({"collateral that is none", {"collateral"}, "collateral", {}, [](Evidence& e) {
                     e.collateral = "x";
                   }});
  for (const char* member : {"tcb_info", "tcb_info_signature", "tcb_info_issuer_chain",
                             "qe_identity", "qe_identity_signature", "qe_identity_issuer_chain",
                             "pck_crl", "pck_crl_issuer_chain", "root_ca_crl"}) {
    after(std::string("without ") + member, {"collateral"}, "collateral",
          [member](Json& json) { json.erase(member); });
    after(std::string("malformed ") + member, {"collateral"}, "collateral",
          [member](Json& json) { json[member] = "00"; });
  }
  for (const std::string name : {"tcb_info", "qe_identity"}) {
    const bool info = name == "tcb_info";
    auto document = [info](IntelVendor& v) -> Json& { return info ? v.tcb_info : v.qe_identity; };
    after(name + " changed", {name + ".signature"}, "collateral", [name](Json& json) {
      std::string text = json[name].get<std::string>();
      text.insert(text.size() - 1, " ");
      json[name] = text;
    });
    after(name + " with the other's signature", {name + ".signature"}, "collateral",
          [name, info](Json& json) {
            json[name + "_signature"] = json[info ? "qe_identity_signature" : "tcb_info_signature"];
          });
    after(name + " signed by the PCK authority's chain", {name + ".role"}, "certificate_chain",
          [name](Json& json) { json[name + "_issuer_chain"] = json["pck_crl_issuer_chain"]; });
    add(name + " stale", {name + ".date"}, "date",
        [document](auto& v) { document(v)["nextUpdate"] = "2025-06-12T00:00:00Z"; });
    add(name + " of the future", {name + ".date"}, "date",
        [document](auto& v) { document(v)["issueDate"] = "2025-06-25T00:00:00Z"; });
    add(name + " without a date", {"collateral"}, "collateral",
        [document](auto& v) { document(v)["issueDate"] = "yesterday"; });
    add(name + " of another version", {info ? "tcb_info.id" : "qe.id"}, info ? "collateral" : "qe",
        [document](auto& v) { document(v)["version"] = 9; });
    add(name + " of another kind", {info ? "tcb_info.id" : "qe.id"}, info ? "collateral" : "qe",
        [document](auto& v) { document(v)["id"] = "SGX"; });
  }
  add("TCB signer of another purpose", {"tcb_info.role", "qe_identity.role"}, "certificate_chain",
      [](auto& v) { v.tcb_signer.name = "Intel SGX PCK Certificate"; });
  add("TCB signer signed by another", {"tcb_info.chain", "qe_identity.chain"}, "certificate_chain",
      [](auto& v) { v.tcb_signer.issuer_key = v.pck.key; });
  cases.push_back(
      {"older evaluation", {"tcb_info.evaluation", "qe_identity.evaluation"}, "collateral"});
  cases.back().policy = {{"tdx", {{"minimum_evaluation_number", 18}}}};
  add("another FMSPC", {"tcb_info.fmspc"}, "collateral",
      [](auto& v) { v.tcb_info["fmspc"] = "90C06F000001"; });
  add("another PCE", {"tcb_info.pce_id"}, "collateral",
      [](auto& v) { v.tcb_info["pceId"] = "0001"; });
  add("a level with 15 components", {"collateral"}, "collateral",
      [](auto& v) { v.tcb_info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"].erase(0); });
  add("a level with a component of 256", {"collateral"}, "collateral",
      [](auto& v) { v.tcb_info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][0]["svn"] = 256; });
  return cases;
}

std::vector<TdxRefused> tcb_status_cases() {
  std::vector<TdxRefused> cases;
  auto add = [&cases](std::string name, Names checks, const char* reason,
                      std::function<void(IntelVendor&)> bend) {
    cases.push_back({std::move(name), std::move(checks), reason, std::move(bend)});
  };
  for (const char* status : {"OutOfDate", "ConfigurationNeeded", "SWHardeningNeeded", "Revoked",
                             "ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded",
                             "TDRelaunchAdvised", "SomethingNew"}) {
    add(std::string("platform ") + status, {"tcb_status"}, "tcb_status",
        [status](auto& v) { v.tcb_info["tcbLevels"][0]["tcbStatus"] = status; });
  }
  add("SGX component of an older level", {"tcb_status"}, "tcb_status",
      [](auto& v) { v.components[0] = 2; });
  add("PCE of an older level", {"tcb_status"}, "tcb_status", [](auto& v) { v.pce_svn = 12; });
  add("TDX component of an older level", {"tcb_status"}, "tcb_status",
      [](auto& v) { v.body[kTdTcbSvn + 2] = 4; });
  add("SGX component below all", {"tcb_level"}, "tcb", [](auto& v) { v.components[0] = 1; });
  add("PCE below all", {"tcb_level"}, "tcb", [](auto& v) { v.pce_svn = 10; });
  add("TDX component below all", {"tcb_level"}, "tcb", [](auto& v) { v.body[kTdTcbSvn + 2] = 2; });
  add("module out of date", {"tcb_status"}, "tcb_status", [](auto& v) { v.body[kTdTcbSvn] = 3; });
  add("module below all", {"tdx_module.svn"}, "tdx_module", [](auto& v) { v.body[kTdTcbSvn] = 1; });
  add("module without identity", {"tdx_module"}, "tdx_module",
      [](auto& v) { v.body[kTdTcbSvn + 1] = 2; });
  add("module signed by another", {"tdx_module.signer"}, "tdx_module",
      [](auto& v) { v.body[kTdMrSignerSeam] = 1; });
  add("module with attributes", {"tdx_module.attributes"}, "tdx_module",
      [](auto& v) { v.body[kTdSeamAttributes] = 1; });
  add("QE out of date", {"tcb_status"}, "tcb_status", [](auto& v) { v.qe_report[kQeIsvSvn] = 3; });
  add("QE revoked", {"tcb_status"}, "tcb_status", [](auto& v) { v.qe_report[kQeIsvSvn] = 1; });
  add("QE below all", {"qe.isv_svn"}, "qe", [](auto& v) { v.qe_report[kQeIsvSvn] = 0; });
  add("QE of another product", {"qe.isv_prod_id"}, "qe",
      [](auto& v) { v.qe_report[kQeIsvProdId] = 1; });
  add("QE of another signer", {"qe.mr_signer"}, "qe",
      [](auto& v) { v.qe_report[kQeMrSigner] ^= 1; });
  add("QE for debugging", {"qe.attributes"}, "qe",
      [](auto& v) { v.qe_report[kQeAttributes] |= 2; });
  add("QE with MISCSELECT", {"qe.misc_select"}, "qe",
      [](auto& v) { v.qe_report[kQeMiscSelect] = 1; });
  return cases;
}

TEST(TdxVerdict, EachRefusalHasItsOwnReason) {
  std::vector<TdxRefused> cases;
  for (auto part :
       {content_cases(), signature_cases(), pck_cases(), collateral_cases(), tcb_status_cases()})
    cases.insert(cases.end(), part.begin(), part.end());
  EXPECT_GE(cases.size(), 100u);
  for (const TdxRefused& one : cases) {
    IntelVendor vendor(one.version);
    if (one.vendor) one.vendor(vendor);
    Evidence evidence = vendor.make();
    if (one.evidence) one.evidence(evidence);
    auto verdict = judge_evidence(evidence, tdx_policy(one.policy));
    ASSERT_TRUE(verdict.ok()) << one.name << ": " << verdict.error().describe();
    EXPECT_FALSE(verdict->accepted) << one.name;
    EXPECT_EQ(failed_names(*verdict), one.checks) << one.name << "\n" << checks_text(*verdict);
    EXPECT_EQ(verdict->reason, one.reason) << one.name;
    EXPECT_FALSE(verdict->message.empty()) << one.name;
  }
}

TEST(TdxVerdict, BothVersionsAreAccepted) {
  for (uint16_t version : {4, 5}) {
    IntelVendor vendor(version);
    vendor.trailing = Bytes(70);
    vendor.set(kTdRtmr0 + 48, extended({Bytes(48, 8), Bytes(48, 9)}));
    Evidence evidence = vendor.make();
    evidence.event_log = event_log({{1, Bytes(48, 8)}, {1, Bytes(48, 9)}});
    Json demands = {{"host_data", to_hex(Bytes(32, 0x22))},
                    {"measurements", {to_hex(Bytes(48, 0x11))}},
                    {"report_data", to_hex(Bytes(64, 0x33))}};
    demands["tdx"]["require_event_log"] = true;
    auto verdict = judge_evidence(evidence, tdx_policy(demands));
    ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
    EXPECT_TRUE(verdict->accepted) << checks_text(*verdict);
    EXPECT_EQ(verdict->content->tcb_status, "UpToDate");
    EXPECT_EQ(verdict->content->host_data, Bytes(32, 0x22));
    EXPECT_EQ(verdict->content->runtime_measurements.size(), 4u);
    EXPECT_TRUE(verify_evidence(evidence, tdx_policy(demands)).ok());
  }
}

TEST(TdxVerdict, StatusesAreThePolicys) {
  IntelVendor vendor(5);
  vendor.body[kTdTcbSvn] = 3;  // the module is out of date
  vendor.tcb_info["tcbLevels"][0]["tcbStatus"] = "ConfigurationNeeded";
  Json accept;
  accept["tdx"]["tcb_statuses"] = {"UpToDate", "OutOfDateConfigurationNeeded"};
  auto verdict = judge_evidence(vendor.make(), tdx_policy(accept));
  ASSERT_TRUE(verdict.ok());
  EXPECT_TRUE(verdict->accepted) << checks_text(*verdict);
  EXPECT_EQ(verdict->content->tcb_status, "OutOfDateConfigurationNeeded");
  EXPECT_EQ(verdict->content->advisories, "INTEL-SA-00001");
}

TEST(TdxVerdict, ANumberOfSnpIsNoMinimum) {
  EvidencePolicy policy = tdx_policy();
  policy.minimum_tcb = 1;
  EXPECT_EQ(verify_evidence(IntelVendor(4).make(), policy).error().reason, "tcb");
}

TEST(TdxVerdict, ModulesWithoutAVersionCountAllComponents) {
  IntelVendor vendor(4);
  vendor.body[kTdTcbSvn + 1] = 0;
  EXPECT_TRUE(verify_evidence(vendor.make(), tdx_policy()).ok());
  vendor.tcb_info["tcbLevels"][0]["tcb"]["tdxtcbcomponents"][0]["svn"] = 5;
  EXPECT_EQ(verify_evidence(vendor.make(), tdx_policy()).error().reason, "tcb_status");
}

TEST(TdxQuote, NoCutAndNoLengthIsBelieved) {
  for (uint16_t version : {4, 5}) {
    const Bytes whole = IntelVendor(version).make().report;
    for (size_t size = 0; size < whole.size(); size += size < 1300 ? 1 : 97) {
      auto quote = attest::verify::TdxQuote::parse(ByteView(whole).first(size));
      EXPECT_FALSE(quote.ok()) << size;
    }
    const size_t data = version == 4 ? 48 + 584 : 54 + 648;
    for (size_t at : {data, data + 4 + 128 + 2, data + 4 + 134 + 384 + 64,
                      data + 4 + 134 + 384 + 64 + 2 + 32 + 2}) {
      for (int by : {-1, 1}) {
        Bytes bent = whole;
        bent[at] = static_cast<uint8_t>(bent[at] + by);
        auto quote = attest::verify::TdxQuote::parse(bent);
        // a shorter last length leaves bytes behind; a longer signature has none
        EXPECT_FALSE(quote.ok()) << version << " " << at << " " << by;
      }
    }
  }
}

TEST(TdxQuote, WhatIsNoTdxQuoteIsUnsupported) {
  const Bytes whole = IntelVendor(4).make().report;
  for (auto [at, value] : {std::pair<size_t, uint8_t>{0, 3}, {0, 6}, {2, 3}, {4, 0}}) {
    Bytes bent = whole;
    bent[at] = value;
    auto verdict = judge_evidence(Evidence{Tee::tdx, bent, {}}, tdx_policy());
    ASSERT_FALSE(verdict.ok());
    EXPECT_EQ(verdict.error().code, ErrorCode::unsupported) << at;
  }
  IntelVendor five(5);
  five.body_type = 1;
  EXPECT_EQ(show_evidence(five.make()).error().code, ErrorCode::unsupported);
  five.body_type = 2;  // TDX 1.0, but of another size
  EXPECT_EQ(show_evidence(five.make()).error().code, ErrorCode::corrupt);
  five.body.resize(584);
  EXPECT_TRUE(show_evidence(five.make()).ok());
}

TEST(TdxEvidence, CocosJson) {
  Evidence evidence = IntelVendor(4).make();
  Json json = Json::parse(evidence_to_json(evidence).value());
  EXPECT_EQ(json["quote"], to_base64(evidence.report));
  EXPECT_TRUE(json["cc_eventlog"].is_null());
  evidence.event_log = event_log({});
  Evidence back = evidence_from_json(evidence_to_json(evidence).value(), Tee::tdx).value();
  EXPECT_EQ(back.report, evidence.report);
  EXPECT_EQ(back.event_log, evidence.event_log);
  EXPECT_EQ(Json::parse(back.collateral), Json::parse(evidence.collateral));
  for (const char* text :
       {"{}", R"({"quote":5})", R"({"quote":"*"})", R"({"quote":"AA==","cc_eventlog":5})"})
    EXPECT_FALSE(evidence_from_json(text, Tee::tdx).ok()) << text;
}

EvidencePolicy intels_at(int64_t now) {
  EvidencePolicy policy;
  policy.now = now;
  return policy;
}

TEST(RealTdx, WholeCollateral) {
  SKIP_WITHOUT_VECTORS();
  Evidence evidence{Tee::tdx, vector_file("tdx/full-collateral.quote.bin"), {}};
  evidence.collateral = as_text(vector_file("tdx/full-collateral.collateral.json"));
  auto verdict = judge_evidence(evidence, intels_at(1'750'400'000));  // 2025-06-20
  ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
  EXPECT_TRUE(verdict->accepted) << checks_text(*verdict);
  EXPECT_EQ(verdict->content->tcb_status, "UpToDate");
  verdict = judge_evidence(evidence, intels_at(1'755'000'000));  // August
  EXPECT_EQ(verdict->reason, "date");
  for (size_t at : {size_t{0}, size_t{60}, size_t{632}, size_t{700}, size_t{1000}, size_t{1300}}) {
    Evidence flipped = evidence;
    flipped.report[at] ^= 4;
    EXPECT_FALSE(verify_evidence(flipped, intels_at(1'750'400'000)).ok()) << at;
  }
}

// Its SEAMLDR is older than that of every level: signatures, identity and module are good.
TEST(RealTdx, Version5BelowEveryLevel) {
  const auto folder =
      std::filesystem::path(BARTIZAN_SOURCE_DIR) / "tests/unit/attest/vendor_evidence";
  Evidence evidence{
      Tee::tdx, read_file(folder / "tdx-v5-below-levels.quote.bin", 65536).value(), {}};
  evidence.collateral =
      as_text(read_file(folder / "tdx-v5-below-levels.collateral.json", 65536).value());
  auto verdict = judge_evidence(evidence, intels_at(1'772'000'000));  // 2026-02-25
  ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
  EXPECT_EQ(failed_names(*verdict), Names{"tcb_level"}) << checks_text(*verdict);
  EXPECT_EQ(verdict->reason, "tcb");
}

TEST(RealTdx, QuotesWithoutCollateral) {
  SKIP_WITHOUT_VECTORS();
  for (const char* name : {"v5", "v4-mrconfigid"}) {
    Evidence evidence{Tee::tdx, vector_file(std::string("tdx/") + name + ".quote.bin"), {}};
    auto verdict = judge_evidence(evidence, intels_at(1'772'000'000));
    ASSERT_TRUE(verdict.ok()) << verdict.error().describe();
    EXPECT_EQ(failed_names(*verdict), Names{"collateral"}) << checks_text(*verdict);
  }
  Evidence debug{Tee::tdx, vector_file("tdx/v4-debug-attribute.quote.bin"), {}};
  auto verdict = judge_evidence(debug, intels_at(1'772'000'000));
  EXPECT_EQ(failed_names(*verdict), (Names{"attributes.debug", "collateral"}));
  Evidence sgx{Tee::tdx, vector_file("tdx/sgx-v3-must-be-refused.quote.bin"), {}};
  EXPECT_EQ(verify_evidence(sgx, intels_at(1'772'000'000)).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace bartizan::test
