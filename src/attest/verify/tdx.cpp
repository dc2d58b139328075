// TDX quotes: the chain from Intel's root down to the attestation key, then Intel's collateral
// about the platform, then what the policy demands. Each signature is checked before what it covers
// is believed.

#include <algorithm>

#include "attest/verify/event_log.hpp"
#include "attest/verify/judge.hpp"
#include "attest/verify/known.hpp"
#include "attest/verify/pck_extension.hpp"
#include "attest/verify/tdx_collateral.hpp"
#include "attest/verify/tdx_quote.hpp"
#include "base/json.hpp"

namespace bartizan::attest::verify {
namespace {

using crypto::Certificate;

// SHA-256 of the SubjectPublicKeyInfo of "Intel SGX Root CA".
constexpr std::string_view kIntelRoot =
    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e";
constexpr std::string_view kIntelQe = "939a7233f79c4ca9940a0db3957f0607";
constexpr std::string_view kPckName = "Intel SGX PCK Certificate";
constexpr std::string_view kTcbSignerName = "Intel SGX TCB Signing";
// TD attributes that have a meaning (TDX module ABI, ATTRIBUTES): DEBUG; LASS, SEPT_VE_DISABLE,
// MIGRATABLE, PKS, KL; TPA, PERFMON.
constexpr uint64_t kKnownAttributes = 1 | uint64_t{0x1f} << 27 | uint64_t{3} << 62;

struct TdxCase {
  const TdxQuote& quote;
  const Demands& demands;
  Checks& checks;
};

std::string tdx_hex(uint64_t value) {
  return fmt::format("{:#x}", value);
}

bool verify_p256(const crypto::EcKey& key, ByteView message, ByteView signature) {
  return key.curve() == crypto::Curve::p256 &&
         key.verify(crypto::HashKind::sha256, message,
                    {Bytes(signature.begin(), signature.begin() + 32),
                     Bytes(signature.begin() + 32, signature.end())});
}

bool is_accepted_root(const Certificate& root, const Demands& demands) {
  const std::string hash = to_hex(root.public_key_hash());
  const auto& roots = demands.tdx.roots;
  if (roots.empty()) return hash == kIntelRoot;
  return std::find(roots.begin(), roots.end(), hash) != roots.end();
}

bool check_root(const TdxCase& one, std::string_view name, const Certificate& root) {
  return one.checks.add(name, is_accepted_root(root, one.demands),
                        "the public key of an accepted root", to_hex(root.public_key_hash()),
                        {"certificate_chain", "root certificate \"" + root.common_name() +
                                                  "\" is not Intel's, nor one of the policy's "
                                                  "roots"});
}

bool check_issued(const TdxCase& one, std::string_view name, const Certificate& certificate,
                  const Certificate& issuer) {
  const bool good = issuer.is_ca() &&
                    certificate.signature_kind() == Certificate::SignatureKind::ecdsa_sha256 &&
                    is_issued_by(certificate, issuer);
  return one.checks.add(
      name, good, "signed by \"" + issuer.common_name() + "\"",
      good ? "so" : certificate.common_name(),
      {"certificate_chain", "certificate \"" + certificate.common_name() +
                                "\" is not signed by \"" + issuer.common_name() + "\""});
}

void check_certificate_date(const TdxCase& one, const Certificate& certificate) {
  check_date(one.checks, "certificate_dates", certificate.not_before(), certificate.not_after(),
             one.demands.now, "certificate \"" + certificate.common_name() + "\"");
}

bool check_role(const TdxCase& one, std::string_view name, const Certificate& certificate,
                std::string_view role) {
  return one.checks.add(name, certificate.common_name() == role && !certificate.is_ca(),
                        std::string(role), certificate.common_name(),
                        {"certificate_chain",
                         "certificate \"" + certificate.common_name() + "\" is not made for this"});
}

struct PckChain {
  Certificate pck, authority, root;
  PckExtension platform;
};

void not_reached_all(Checks& checks, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) checks.not_reached(name);
}

std::optional<PckChain> check_pck_chain(const TdxCase& one) {
  auto parsed = known_chain(as_text(one.quote.certificates));
  auto absent = [&]() -> std::optional<PckChain> {
    not_reached_all(one.checks, {"certificate_dates", "platform"});
    return std::nullopt;
  };
  const bool whole = parsed.ok() && parsed->size() == 3;
  if (!one.checks.add(
          "certificates", whole, "3 certificates: PCK, its authority, root",
          parsed.ok() ? std::to_string(parsed->size()) : parsed.error().message,
          {"certificate_chain", "quote has not the three certificates of its PCK chain"}))
    return absent();
  const Certificate &pck = (*parsed)[0], &authority = (*parsed)[1], &root = (*parsed)[2];
  if (!check_root(one, "root", root) || !check_issued(one, "certificate_chain", root, root) ||
      !check_issued(one, "certificate_chain", authority, root) ||
      !check_issued(one, "certificate_chain", pck, authority) ||
      !check_role(one, "certificate_role", pck, kPckName))
    return absent();
  for (const Certificate* certificate : {&root, &authority, &pck})
    check_certificate_date(one, *certificate);
  std::optional<Bytes> content = pck.extension(kOidSgxExtension);
  auto platform = parse_pck_extension(content ? ByteView(*content) : ByteView());
  if (!platform.ok()) {
    one.checks.fail("platform", "Intel's extension", platform.error(), "certificate_chain");
    return std::nullopt;
  }
  return PckChain{pck, authority, root, *platform};
}

// From the PCK to the quoting enclave, from there to the attestation key, from there to the TD.
void check_signatures(const TdxCase& one, const std::optional<PckChain>& chain) {
  const TdxQuote& quote = one.quote;
  one.checks.add("qe_vendor", to_hex(quote.qe_vendor) == kIntelQe, std::string(kIntelQe),
                 to_hex(quote.qe_vendor), {"qe", "quoting enclave is not of Intel"});
  if (chain) {
    auto pck = chain->pck.ec_public_key();
    const bool good = pck.ok() && verify_p256(*pck, quote.qe.bytes, quote.qe_signature);
    one.checks.add("qe_signature", good, "signed by the PCK",
                   good ? "so" : "another or damaged signature",
                   {"signature", "report of the quoting enclave is not signed by the PCK"});
  } else {
    one.checks.not_reached("qe_signature");
  }
  Bytes bound(quote.attestation_key.begin(), quote.attestation_key.end());
  bound.insert(bound.end(), quote.qe_authentication.begin(), quote.qe_authentication.end());
  Bytes expected(quote.qe.report_data.size());
  const auto hash = crypto::sha256(bound);
  std::copy(hash.begin(), hash.end(), expected.begin());
  one.checks.add("qe_report_data",
                 std::equal(expected.begin(), expected.end(), quote.qe.report_data.begin()),
                 to_hex(expected), to_hex(quote.qe.report_data),
                 {"signature", "quoting enclave vouches for another attestation key"});
  auto key = known_p256_key(quote.attestation_key);
  const bool good = key.ok() && verify_p256(*key, quote.signed_part, quote.signature);
  one.checks.add("signature", good, "signed by the attestation key",
                 good ? "so" : "another or damaged signature",
                 {"signature", "quote is not signed by its attestation key"});
}

// A document of Intel's: its chain, signature, dates. Whether it may be believed.
bool check_document(const TdxCase& one, std::string_view name, const SignedDocument& document,
                    const TdxCollateral& collateral) {
  const Certificate &signer = document.issuers[0], &root = document.issuers[1];
  if (!check_root(one, fmt::format("{}.root", name), root) ||
      !check_issued(one, fmt::format("{}.chain", name), root, root) ||
      !check_issued(one, fmt::format("{}.chain", name), signer, root) ||
      !check_role(one, fmt::format("{}.role", name), signer, kTcbSignerName))
    return false;
  check_certificate_date(one, root);
  check_certificate_date(one, signer);
  one.checks.add(fmt::format("{}.revocation", name), !collateral.root_list.revokes(signer),
                 "not on the root's list", signer.common_name() + ", serial " + signer.serial(),
                 {"revoked", "certificate \"" + signer.common_name() + "\" was revoked"});
  const bool good = is_document_of(document, signer);
  if (!one.checks.add(fmt::format("{}.signature", name), good, "signed by Intel",
                      good ? "so" : "another or damaged signature",
                      {"collateral", fmt::format("{} is not signed by its issuer", name)}))
    return false;
  check_date(one.checks, fmt::format("{}.date", name), document.issued, document.next_update,
             one.demands.now, fmt::format("{} of the collateral", name));
  one.checks.add(fmt::format("{}.evaluation", name),
                 document.evaluation_number >= one.demands.tdx.minimum_evaluation_number,
                 fmt::format("at least {}", one.demands.tdx.minimum_evaluation_number),
                 std::to_string(document.evaluation_number),
                 {"collateral", fmt::format("{} is of an older evaluation", name)});
  return true;
}

void check_list(const TdxCase& one, std::string_view name, const crypto::RevocationList& list,
                const Certificate& issuer, const Certificate& subject) {
  const std::string by = "\"" + issuer.common_name() + "\"";
  if (!one.checks.add(name, is_list_of(list, issuer), "signed by " + by, list.issuer_common_name(),
                      {"revoked", "revocation list is not signed by " + by}))
    return;
  const int64_t until = list.next_update() ? list.next_update() : one.demands.now;
  check_date(one.checks, fmt::format("{}.date", name), list.this_update(), until, one.demands.now,
             "revocation list of " + by);
  one.checks.add(name, !list.revokes(subject), "not on the list of its issuer",
                 subject.common_name() + ", serial " + subject.serial(),
                 {"revoked", "certificate \"" + subject.common_name() + "\" was revoked"});
}

void check_lists(const TdxCase& one, const PckChain& chain, const TdxCollateral& collateral) {
  check_list(one, "root_revocation", collateral.root_list, chain.root, chain.authority);
  check_list(one, "pck_revocation", collateral.pck_list, chain.authority, chain.pck);
}

bool masked_equal(ByteView value, ByteView mask, ByteView expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if ((value[i] & mask[i]) != (expected[i] & mask[i])) return false;
  }
  return true;
}

const TcbLevel* level_of_isv(const std::vector<TcbLevel>& levels, uint32_t isv_svn) {
  for (const TcbLevel& level : levels) {
    if (isv_svn >= level.isv_svn) return &level;
  }
  return nullptr;
}

// The level that the enclave has; nothing: the identity is another's.
const TcbLevel* check_qe_identity(const TdxCase& one, const QeIdentity& identity) {
  const QeReport& qe = one.quote.qe;
  auto check = [&one](std::string_view name, bool good, std::string expected, std::string found) {
    return one.checks.add(name, good, std::move(expected), std::move(found),
                          {"qe", "quoting enclave is not the one of Intel's identity"});
  };
  bool good = check("qe.id", identity.id == "TD_QE" && identity.version == 2, "TD_QE 2",
                    fmt::format("{} {}", identity.id.substr(0, 64), identity.version));
  good &= check("qe.misc_select",
                (qe.misc_select & identity.misc_select_mask) ==
                    (identity.misc_select & identity.misc_select_mask),
                tdx_hex(identity.misc_select), tdx_hex(qe.misc_select));
  good &= check("qe.attributes",
                masked_equal(qe.attributes, identity.attributes_mask, identity.attributes),
                to_hex(identity.attributes), to_hex(qe.attributes));
  good &= check("qe.mr_signer",
                std::equal(qe.mr_signer.begin(), qe.mr_signer.end(), identity.mr_signer.begin()),
                to_hex(identity.mr_signer), to_hex(qe.mr_signer));
  good &= check("qe.isv_prod_id", qe.isv_prod_id == identity.isv_prod_id,
                std::to_string(identity.isv_prod_id), std::to_string(qe.isv_prod_id));
  const TcbLevel* level = level_of_isv(identity.levels, qe.isv_svn);
  good &=
      check("qe.isv_svn", level != nullptr, "a level of the identity", std::to_string(qe.isv_svn));
  return good ? level : nullptr;
}

bool reaches(const std::array<uint8_t, 16>& have, const std::array<uint8_t, 16>& need,
             size_t from) {
  for (size_t i = from; i < have.size(); ++i) {
    if (have[i] < need[i]) return false;
  }
  return true;
}

// TEE_TCB_SVN[1] is the TDX module's version: other than 0, the module has an identity of its own,
// and its first two components do not count for the platform.
const TcbLevel* platform_level(const TdxQuote& quote, const PckExtension& platform,
                               const TcbInfo& info) {
  const size_t from = quote.report.tee_tcb_svn[1] ? 2 : 0;
  for (const TcbLevel& level : info.levels) {
    if (reaches(platform.components, level.sgx, 0) && platform.pce_svn >= level.pce_svn &&
        reaches(quote.report.tee_tcb_svn, level.tdx, from))
      return &level;
  }
  return nullptr;
}

struct ModuleVerdict {
  bool known = false;
  const TcbLevel* level = nullptr;  // nothing: of modules without a version of their own
};

ModuleVerdict check_module(const TdxCase& one, const TcbInfo& info) {
  const TdReport& report = one.quote.report;
  const uint8_t version = report.tee_tcb_svn[1], svn = report.tee_tcb_svn[0];
  const TdxModuleIdentity* module = &info.module;
  if (version) {
    const std::string id = fmt::format("TDX_{:02X}", version);
    auto found = std::find_if(info.modules.begin(), info.modules.end(),
                              [&id](const TdxModuleIdentity& each) { return each.id == id; });
    if (!one.checks.add("tdx_module", found != info.modules.end(), "an identity of the TCB info",
                        id, {"tdx_module", "TDX module has no identity in Intel's TCB info"}))
      return {};
    module = &*found;
  } else {
    one.checks.not_applicable("tdx_module", "a module without a version of its own");
  }
  bool good =
      one.checks.add("tdx_module.signer",
                     std::equal(report.mr_signer_seam.begin(), report.mr_signer_seam.end(),
                                module->mr_signer.begin()),
                     to_hex(module->mr_signer), to_hex(report.mr_signer_seam),
                     {"tdx_module", "TDX module is signed by another than its identity has"});
  good &= one.checks.add("tdx_module.attributes",
                         (report.seam_attributes & module->attributes_mask) ==
                             (module->attributes & module->attributes_mask),
                         tdx_hex(module->attributes), tdx_hex(report.seam_attributes),
                         {"tdx_module", "TDX module has other attributes than its identity has"});
  if (!version || !good) return {good, nullptr};
  const TcbLevel* level = level_of_isv(module->levels, svn);
  good = one.checks.add("tdx_module.svn", level != nullptr, "a level of its identity",
                        std::to_string(svn), {"tdx_module", "TDX module is older than any known"});
  return {good, level};
}

// What is out of date in one part is so for the whole; what is revoked stays so. Of Intel's
// statuses, these say more than the platform's own.
std::string joined_status(std::string status, const TcbLevel* part) {
  if (!part || part->status == "UpToDate" || status == "Revoked") return status;
  if (part->status == "Revoked") return "Revoked";
  if (part->status == "OutOfDate") {
    if (status == "UpToDate" || status == "SWHardeningNeeded") return "OutOfDate";
    if (status == "ConfigurationNeeded" || status == "ConfigurationAndSWHardeningNeeded")
      return "OutOfDateConfigurationNeeded";
    return status;
  }
  return status == "UpToDate" ? part->status : status;
}

void add_advisories(std::string& to, const TcbLevel* level) {
  if (!level) return;
  for (const std::string& one : level->advisories) {
    if (to.find(one) == std::string::npos) to += (to.empty() ? "" : ",") + one;
  }
}

void check_tcb(const TdxCase& one, const PckChain& chain, const TcbInfo& info,
               const TcbLevel* qe_level, VerifiedEvidence& said) {
  const PckExtension& platform = chain.platform;
  bool same = one.checks.add("tcb_info.id", info.id == "TDX" && info.version == 3, "TDX 3",
                             fmt::format("{} {}", info.id.substr(0, 64), info.version),
                             {"collateral", "TCB info is not of TDX, version 3"});
  same &= one.checks.add("tcb_info.fmspc",
                         std::equal(info.fmspc.begin(), info.fmspc.end(), platform.fmspc.begin()),
                         to_hex(platform.fmspc), to_hex(info.fmspc),
                         {"collateral", "TCB info is of another family of platforms than the PCK"});
  same &=
      one.checks.add("tcb_info.pce_id",
                     std::equal(info.pce_id.begin(), info.pce_id.end(), platform.pce_id.begin()),
                     to_hex(platform.pce_id), to_hex(info.pce_id),
                     {"collateral", "TCB info is of another PCE than the PCK"});
  if (!same) return not_reached_all(one.checks, {"tdx_module", "tcb_status"});
  const ModuleVerdict module = check_module(one, info);
  const TcbLevel* level = platform_level(one.quote, platform, info);
  if (!module.known || !level || !qe_level) {
    if (!level) {
      one.checks.add("tcb_level", false, "a level of the TCB info",
                     to_hex(one.quote.report.tee_tcb_svn),
                     {"tcb", "platform is below every level of Intel's TCB info"});
    }
    return one.checks.not_reached("tcb_status");
  }
  said.tcb_status = joined_status(joined_status(level->status, module.level), qe_level);
  for (const TcbLevel* part : {level, module.level, qe_level})
    add_advisories(said.advisories, part);
  const auto& accepted = one.demands.tdx.tcb_statuses;
  std::string expected;
  for (const std::string& each : accepted) expected += (expected.empty() ? "" : " or ") + each;
  one.checks.add(
      "tcb_status", std::find(accepted.begin(), accepted.end(), said.tcb_status) != accepted.end(),
      expected, said.tcb_status + (said.advisories.empty() ? "" : " (" + said.advisories + ")"),
      {"tcb_status",
       "status of the platform is not accepted: its owner updates firmware, or the "
       "policy's tdx.tcb_statuses accepts it"});
}

void check_collateral(const TdxCase& one, const std::optional<PckChain>& chain,
                      const std::string& text, VerifiedEvidence& said) {
  const auto later = {"root_revocation",       "pck_revocation", "tcb_info.signature",
                      "qe_identity.signature", "tdx_module",     "tcb_status"};
  auto stop = [&] {
    for (std::string_view name : later) one.checks.not_reached(name);
  };
  if (text.empty()) {
    one.checks.add("collateral", false, "TCB info, QE identity, revocation lists", "none",
                   {"collateral",
                    "evidence came without Intel's collateral: add it from a folder "
                    "(`bartizan evidence verify --collateral`, tdx/FMSPC.json)"});
    return stop();
  }
  auto parsed = known_collateral(text);
  if (!parsed.ok()) {
    one.checks.fail("collateral", "TCB info, QE identity, revocation lists", parsed.error(),
                    "collateral");
    return stop();
  }
  if (!chain) return stop();
  const TdxCollateral& collateral = **parsed;
  check_lists(one, *chain, collateral);
  const bool has_info = check_document(one, "tcb_info", collateral.tcb_info.document, collateral);
  const bool has_qe =
      check_document(one, "qe_identity", collateral.qe_identity.document, collateral);
  if (!has_info || !has_qe) return not_reached_all(one.checks, {"tdx_module", "tcb_status"});
  const TcbLevel* qe = check_qe_identity(one, collateral.qe_identity);
  check_tcb(one, *chain, collateral.tcb_info, qe, said);
}

void check_attributes(const TdxCase& one) {
  const TdReport& report = one.quote.report;
  for (const BitRule& rule : one.demands.tdx.attributes) {
    const bool set = report.td_attributes >> rule.bit & 1;
    const std::string name = fmt::format("attributes.{}", rule.name);
    const char* found = set ? "on" : "off";
    if (rule.demand == BitDemand::any) {
      one.checks.not_applicable(name, std::string(found) + "; nothing is demanded");
      continue;
    }
    const bool wanted = rule.demand == BitDemand::set;
    const bool debug = rule.name == "debug";
    one.checks.add(name, set == wanted, wanted ? "on" : "off", found,
                   {debug ? "debug" : "attributes",
                    debug ? std::string("TD attributes let the host read the guest's memory")
                          : fmt::format("TD attribute {} is {}", rule.name, found)});
  }
  const uint64_t unknown = report.td_attributes & ~kKnownAttributes;
  if (one.demands.tdx.accept_unknown_fields) {
    one.checks.not_applicable("unknown_fields", tdx_hex(unknown));
  } else {
    one.checks.add("unknown_fields", unknown == 0, "no other TD attributes", tdx_hex(unknown),
                   {"unknown_fields",
                    "quote has TD attributes that this version does not know; the policy's "
                    "tdx.allow_unknown_fields accepts them"});
  }
  const TdxDemands& demands = one.demands.tdx;
  one.checks.add(
      "xfam",
      (report.xfam & demands.xfam_required) == demands.xfam_required &&
          (report.xfam & ~demands.xfam_allowed) == 0,
      fmt::format("all of {:#x}, none outside {:#x}", demands.xfam_required, demands.xfam_allowed),
      tdx_hex(report.xfam), {"xfam", "XFAM has other features than the policy demands"});
}

std::vector<std::vector<Bytes>> one_list(const std::vector<Bytes>& values) {
  if (values.empty()) return {};
  return {values};
}

// 32 bytes where the rest is zero: as the planner writes a workload digest into MRCONFIGID.
Bytes config_id_as_host_data(const TdReport& report) {
  const auto& id = report.mr_config_id;
  const bool short_form = std::all_of(id.begin() + 32, id.end(), [](uint8_t b) { return b == 0; });
  return {id.begin(), short_form ? id.begin() + 32 : id.end()};
}

void check_td_demands(const TdxCase& one) {
  const TdReport& report = one.quote.report;
  const TdxDemands& demands = one.demands.tdx;
  check_each(one.checks, "report_data", "report_data", one.demands.report_data, report.report_data);
  check_each(one.checks, "host_data", "host_data", one.demands.host_data,
             config_id_as_host_data(report));
  check_one_of(one.checks, "measurement", "measurement", one.demands.measurements, report.mr_td);
  check_one_of(one.checks, "mr_seam", "measurement", one_list(demands.mr_seam), report.mr_seam);
  check_one_of(one.checks, "mr_config_id", "measurement", one_list(demands.mr_config_id),
               report.mr_config_id);
  check_one_of(one.checks, "mr_owner", "measurement", one_list(demands.mr_owner), report.mr_owner);
  check_one_of(one.checks, "mr_owner_config", "measurement", one_list(demands.mr_owner_config),
               report.mr_owner_config);
  for (size_t i = 0; i < report.rtmrs.size(); ++i) {
    check_one_of(one.checks, "rtmr_" + std::to_string(i), "runtime_measurement",
                 one_list(demands.rtmrs[i]), report.rtmrs[i]);
  }
}

void check_event_log(const TdxCase& one, ByteView log) {
  if (log.empty()) {
    if (!one.demands.tdx.require_event_log)
      return one.checks.not_applicable("event_log", "none came along");
    one.checks.add("event_log", false, "an event log", "none",
                   {"event_log", "evidence came without an event log, which the policy requires"});
    return;
  }
  auto replayed = replay_event_log(log);
  if (!replayed.ok())
    return one.checks.fail("event_log", "an event log", replayed.error(), "event_log");
  for (size_t i = 0; i < replayed->size(); ++i) {
    one.checks.add("event_log", (*replayed)[i] == one.quote.report.rtmrs[i],
                   fmt::format("RTMR{} {}", i, to_hex(one.quote.report.rtmrs[i])),
                   to_hex((*replayed)[i]),
                   {"event_log", fmt::format("event log does not give RTMR {} of the quote", i)});
  }
}

VerifiedEvidence tdx_content(const TdxQuote& quote) {
  const TdReport& report = quote.report;
  VerifiedEvidence said;
  said.tee = Tee::tdx;
  said.version = quote.version;
  said.measurement.assign(report.mr_td.begin(), report.mr_td.end());
  said.host_data = config_id_as_host_data(report);
  said.report_data.assign(report.report_data.begin(), report.report_data.end());
  said.policy = report.td_attributes;
  said.product = "TDX";
  said.signer = "pck";
  said.tcb = Json({{"tee_tcb_svn", to_hex(report.tee_tcb_svn)}}).dump();
  for (const auto& rtmr : report.rtmrs)
    said.runtime_measurements.emplace_back(rtmr.begin(), rtmr.end());
  return said;
}

}  // namespace

Result<VerifiedEvidence> read_tdx(const Evidence& evidence) {
  TdxQuote quote = TRY(TdxQuote::parse(evidence.report));
  return tdx_content(quote);
}

Result<std::string> fmspc_of_quote(ByteView bytes) {
  TdxQuote quote = TRY(TdxQuote::parse(bytes));
  auto chain = TRY(known_chain(as_text(quote.certificates)));
  std::optional<Bytes> content = chain[0].extension(kOidSgxExtension);
  PckExtension platform = TRY(parse_pck_extension(content ? ByteView(*content) : ByteView()));
  return to_hex(platform.fmspc);
}

Result<VerifiedEvidence> judge_tdx(const Evidence& evidence, const Demands& demands,
                                   Checks& checks) {
  TdxQuote quote = TRY(TdxQuote::parse(evidence.report));
  const TdxCase one{quote, demands, checks};
  VerifiedEvidence said = tdx_content(quote);
  checks.add("trailing_bytes",
             std::all_of(quote.trailing.begin(), quote.trailing.end(),
                         [](uint8_t byte) { return byte == 0; }),
             "nothing, or zeros", fmt::format("{} bytes", quote.trailing.size()),
             {"unknown_fields", "quote is followed by bytes that nothing signs"});
  std::optional<PckChain> chain = check_pck_chain(one);
  check_signatures(one, chain);
  check_collateral(one, chain, evidence.collateral, said);
  if (demands.raw_minimum_tcb) {
    checks.add("tcb_minimum", false, "a status by Intel's TCB info",
               tdx_hex(demands.raw_minimum_tcb),
               {"tcb",
                "minimum_tcb is a number of SNP and means nothing for TDX: the policy's "
                "tdx.tcb_statuses decides"});
  }
  check_attributes(one);
  check_td_demands(one);
  check_event_log(one, evidence.event_log);
  return said;
}

}  // namespace bartizan::attest::verify
