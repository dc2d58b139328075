// SNP reports, real and simulated: first where the evidence comes from (marker, chain, signature),
// then whether report and certificates agree, then what the policy demands.

#include <algorithm>

#include "attest/evidence/snp_report.hpp"
#include "attest/evidence/tee_name.hpp"
#include "attest/evidence/vcek_extensions.hpp"
#include "attest/verify/chain.hpp"
#include "attest/verify/judge.hpp"
#include "base/json.hpp"

namespace bartizan::attest::verify {
namespace {

using evidence::FirmwareVersion;
using evidence::Product;
using evidence::SnpReport;
using evidence::TcbVersion;

// Everything that the checks look at.
struct SnpCase {
  const Evidence& evidence;
  const SnpReport& report;
  const Demands& demands;
  Checks& checks;
};

std::string snp_hex(uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::string describe(const TcbVersion& tcb, Product product) {
  std::string text = fmt::format("bootloader {} tee {} snp {} microcode {}", tcb.bootloader,
                                 tcb.tee, tcb.snp, tcb.microcode);
  return product == Product::turin ? fmt::format("fmc {} {}", tcb.fmc, text) : text;
}

std::string describe(const FirmwareVersion& version) {
  return fmt::format("{}.{}.{}", version.major, version.minor, version.build);
}

bool not_below(const FirmwareVersion& one, const FirmwareVersion& minimum) {
  return std::tie(one.major, one.minor, one.build) >=
         std::tie(minimum.major, minimum.minor, minimum.build);
}

SignerKind signer_of(const SnpReport& report) {
  return report.signing_key() == evidence::kSignedByVlek ? SignerKind::vlek : SignerKind::vcek;
}

// Simulated evidence is refused by name, whatever `tee` it claims; and the claim must fit the
// certificates.
bool check_marker(const SnpCase& one, const GivenCertificates& given) {
  const bool simulated = is_simulated(given), claimed = one.evidence.tee == Tee::simulated;
  const std::string_view claim = evidence::kbs_tee_name(one.evidence.tee);
  if ((simulated || claimed) && !one.demands.allow_simulated) {
    one.checks.add(
        "simulated", false, "a TEE", "simulated",
        {"simulated", "evidence of the simulated TEE protects nothing and is not allowed here"});
  } else {
    one.checks.add("simulated", simulated == claimed, std::string(claim),
                   simulated ? "simulated" : "a TEE",
                   {"simulated", fmt::format("evidence claims TEE {}, but its certificates are of "
                                             "another",
                                             claim)});
  }
  return simulated;
}

void check_form(const SnpCase& one) {
  const SnpDemands& demands = one.demands.snp;
  one.checks.add(
      "report_version",
      one.report.version >= demands.oldest_version && one.report.version <= demands.newest_version,
      fmt::format("{} to {}", demands.oldest_version, demands.newest_version),
      std::to_string(one.report.version),
      {"report_version",
       "version of the report is not accepted; the policy's snp.report_version decides"});
  const std::string unknown = one.report.unknown_fields();
  if (demands.accept_unknown_fields)
    return one.checks.not_applicable("unknown_fields", unknown.empty() ? "none" : unknown);
  one.checks.add("unknown_fields", unknown.empty(), "none", unknown.empty() ? "none" : unknown,
                 {"unknown_fields",
                  "report has fields that this version does not know and that could change the "
                  "meaning of others; the policy's snp.allow_unknown_fields accepts them"});
}

void check_signer(const SnpCase& one) {
  const SnpDemands& demands = one.demands.snp;
  const uint32_t key = one.report.signing_key();
  const bool vcek = key == evidence::kSignedByVcek, vlek = key == evidence::kSignedByVlek;
  std::string expected = demands.accept_vcek ? "vcek" : "";
  if (demands.accept_vlek) expected += expected.empty() ? "vlek" : " or vlek";
  one.checks.add(
      "signer", (vcek && demands.accept_vcek) || (vlek && demands.accept_vlek), expected,
      vcek   ? "vcek"
      : vlek ? "vlek"
             : fmt::format("SIGNING_KEY {}", key),
      {"certificate_chain",
       vlek ? "report is signed by a VLEK, the key of a cloud provider and not of a chip; "
              "the policy's snp.signers accepts it"
            : "report was signed by no key that is accepted, by its own key field"});
}

// SNP signatures hold r and s as 72-byte little-endian numbers; those of P-384 fill 48.
std::optional<Bytes> p384_number(const std::array<uint8_t, 72>& field) {
  constexpr size_t kSize = 48;
  if (std::any_of(field.begin() + kSize, field.end(), [](uint8_t byte) { return byte != 0; }))
    return std::nullopt;
  Bytes number(kSize);
  std::reverse_copy(field.begin(), field.begin() + kSize, number.begin());
  return number;
}

bool signature_is_good(const SnpCase& one, const crypto::Certificate& leaf) {
  auto key = leaf.ec_public_key();
  auto r = p384_number(one.report.signature_r), s = p384_number(one.report.signature_s);
  if (!key.ok() || key->curve() != crypto::Curve::p384 || !r || !s) return false;
  ByteView signed_part = ByteView(one.evidence.report).first(evidence::kSignedSize);
  return key->verify(crypto::HashKind::sha384, signed_part, {*r, *s});
}

void check_signature(const SnpCase& one, const std::optional<CertificateChain>& chain) {
  one.checks.add("signature_algorithm",
                 one.report.signature_algorithm == evidence::kEcdsaP384Sha384,
                 "1 (ECDSA P-384 with SHA-384)", std::to_string(one.report.signature_algorithm),
                 {"signature", "signature algorithm is not known"});
  if (!chain) return one.checks.not_reached("signature");
  const bool good = signature_is_good(one, chain->leaf);
  one.checks.add("signature", good, "signed by \"" + chain->leaf.common_name() + "\"",
                 good ? "so" : "another or damaged signature",
                 {"signature",
                  "report is not signed by the key of the certificate that came with "
                  "it: the certificate of another chip or TCB, or a changed report"});
}

// Version 2 reports do not name their product; they exist for Milan and Genoa only, whose TCB
// layouts are the same.
void check_product(const SnpCase& one, const CertificateChain& chain, const std::string& named) {
  std::optional<Product> product = one.report.product();
  const bool agrees =
      one.report.version < 3 ? chain.product != Product::turin : product == chain.product;
  std::string root(evidence::to_string(chain.product));
  one.checks.add(
      "product", agrees, root,
      one.report.version < 3
          ? "version 2, which does not name it"
          : fmt::format("CPUID family {:#x} model {:#x}{}", one.report.cpuid_family,
                        one.report.cpuid_model,
                        product ? ": " + std::string(evidence::to_string(*product)) : ""),
      {"certificate_chain", "report is not from the product whose root signed its certificates"});
  if (named.empty()) {
    one.checks.not_applicable("certificate_product", "the certificate does not name it");
  } else {  // "Milan-B0"; Bergamo and Siena have "Genoa"
    one.checks.add("certificate_product", named.substr(0, named.find('-')) == root, root, named,
                   {"product", "certificate names another product than its root"});
  }
  const std::vector<Product>& accepted = one.demands.snp.products;
  std::string expected;
  for (Product each : accepted)
    expected += (expected.empty() ? "" : " or ") + std::string(evidence::to_string(each));
  one.checks.add("accepted_product",
                 std::find(accepted.begin(), accepted.end(), chain.product) != accepted.end(),
                 expected, root, {"product", "product is not accepted; see snp.products"});
}

// The chip's identifier is as long as the certificate has it; the rest of the report's field must
// be zero.
bool chip_matches(const SnpReport& report, const Bytes& hardware_id) {
  auto rest = report.chip_id.begin() + static_cast<ptrdiff_t>(hardware_id.size());
  return std::equal(hardware_id.begin(), hardware_id.end(), report.chip_id.begin()) &&
         std::all_of(rest, report.chip_id.end(), [](uint8_t byte) { return byte == 0; });
}

void check_chip(const SnpCase& one, const Bytes& hardware_id) {
  const auto& id = one.report.chip_id;
  const bool masked = std::all_of(id.begin(), id.end(), [](uint8_t byte) { return byte == 0; });
  if (signer_of(one.report) == SignerKind::vlek) {
    one.checks.not_applicable("chip_id", "a VLEK belongs to no chip");
  } else if (masked && one.demands.snp.accept_masked_chip_id) {
    one.checks.not_applicable("chip_id", "masked by the host, which the policy accepts");
  } else {
    one.checks.add("chip_id", chip_matches(one.report, hardware_id), to_hex(hardware_id),
                   masked ? "masked (zeros)" : to_hex(id),
                   {"certificate_chain",
                    masked ? "chip id is masked by the host; the policy's snp.allow_masked_chip_id "
                             "accepts that"
                           : "chip id of the report is not the one of the VCEK"});
  }
  std::vector<std::vector<Bytes>> lists;
  if (!one.demands.snp.chip_ids.empty()) lists.push_back(one.demands.snp.chip_ids);
  check_one_of(one.checks, "accepted_chip", "chip_id", lists, id);
}

// A committed version above the current one, or a reported one above what is committed to, cannot
// come from firmware that keeps its rules.
void check_tcb_order(const SnpCase& one, Product product) {
  const SnpReport& report = one.report;
  for (auto [name, raw] : {std::pair<std::string_view, uint64_t>{"current", report.current_tcb},
                           {"committed", report.committed_tcb},
                           {"reported", report.reported_tcb},
                           {"launch", report.launch_tcb}}) {
    if (TcbVersion::decode(raw, product).encode(product) == raw) continue;
    if (one.demands.snp.accept_unknown_fields) continue;
    one.checks.add("tcb_form", false, "zero in reserved bytes", fmt::format("{} {:#x}", name, raw),
                   {"tcb", "TCB version has bytes that this product does not have"});
  }
  TcbVersion current = TcbVersion::decode(report.current_tcb, product);
  TcbVersion committed = TcbVersion::decode(report.committed_tcb, product);
  TcbVersion reported = TcbVersion::decode(report.reported_tcb, product);
  one.checks.add("tcb_committed", current.at_least(committed),
                 "at most " + describe(current, product), describe(committed, product),
                 {"tcb", "committed TCB is above the current one"});
  one.checks.add("tcb_reported", committed.at_least(reported),
                 "at most " + describe(committed, product), describe(reported, product),
                 {"tcb", "reported TCB is above the committed one"});
  one.checks.add("firmware_committed", not_below(report.current, report.committed),
                 "at most " + describe(report.current), describe(report.committed),
                 {"firmware", "committed firmware is above the current one"});
}

void check_tcb_minimum(const SnpCase& one, Product product) {
  const SnpDemands& demands = one.demands.snp;
  TcbVersion reported = TcbVersion::decode(one.report.reported_tcb, product);
  const std::string found = describe(reported, product);
  std::string name(evidence::to_string(product));
  if (!demands.minimum_tcb.empty()) {
    auto minimum = demands.minimum_tcb.find(product);
    if (minimum == demands.minimum_tcb.end()) {
      one.checks.add(
          "tcb_minimum", false, "a minimum for " + name, "none in the policy",
          {"tcb", "policy has TCB minimums, but none for " + name + ": add it to snp.minimum_tcb"});
    } else {
      one.checks.add("tcb_minimum", reported.at_least(minimum->second),
                     "at least " + describe(minimum->second, product), found,
                     {"tcb", "reported TCB is too old"});
    }
  } else if (!one.demands.raw_minimum_tcb) {
    one.checks.not_applicable("tcb_minimum", found + "; nothing is demanded");
  }
  if (!one.demands.raw_minimum_tcb) return;
  if (product == Product::turin) {
    one.checks.add("tcb_minimum", false, "a minimum for Turin by component",
                   snp_hex(one.demands.raw_minimum_tcb),
                   {"tcb",
                    "minimum_tcb is a number in the form of Milan and Genoa and means "
                    "another thing on Turin: give snp.minimum_tcb.turin in the policy"});
    return;
  }
  TcbVersion minimum = TcbVersion::decode(one.demands.raw_minimum_tcb, product);
  one.checks.add("tcb_minimum", reported.at_least(minimum),
                 "at least " + describe(minimum, product), found,
                 {"tcb", "reported TCB is too old"});
}

void check_certificate_content(const SnpCase& one, const CertificateChain& chain) {
  auto extensions = evidence::read_vcek_extensions(chain.leaf, chain.product);
  if (!extensions.ok()) {
    one.checks.fail("certificate_extensions", "AMD's extensions", extensions.error(),
                    "certificate_chain");
    for (const char* check : {"tcb_certificate", "product", "chip_id"})
      one.checks.not_reached(check);
    return;
  }
  check_product(one, chain, extensions->product_name);
  TcbVersion reported = TcbVersion::decode(one.report.reported_tcb, chain.product);
  one.checks.add("tcb_certificate", extensions->tcb == reported,
                 describe(extensions->tcb, chain.product), describe(reported, chain.product),
                 {"tcb", "reported TCB is not the one that the certificate's key was made for"});
  check_chip(one, extensions->hardware_id);
}

void check_bits(Checks& checks, const std::vector<BitRule>& rules, std::string_view field,
                std::string_view reason, uint64_t value) {
  for (const BitRule& rule : rules) {
    const bool set = value >> rule.bit & 1;
    const std::string name = fmt::format("{}.{}", field, rule.name);
    if (rule.demand == BitDemand::any) {
      checks.not_applicable(name, set ? "on; nothing is demanded" : "off; nothing is demanded");
      continue;
    }
    const bool wanted = rule.demand == BitDemand::set;
    checks.add(
        name, set == wanted, wanted ? "on" : "off", set ? "on" : "off",
        {rule.name == "debug" ? "debug" : reason,
         rule.name == "debug" ? std::string("guest policy lets the host read the guest's memory")
                              : fmt::format("{} has {} {}", field, rule.name, set ? "on" : "off")});
  }
}

void check_guest_policy(const SnpCase& one) {
  const uint64_t policy = one.report.policy;
  one.checks.add("guest_policy.form", (policy & evidence::kPolicyReservedOne) != 0, "bit 17 set",
                 snp_hex(policy), {"policy", "guest policy has a reserved bit wrong"});
  check_bits(one.checks, one.demands.snp.guest_policy, "guest_policy", "policy", policy);
  const FirmwareVersion abi = {0, static_cast<uint8_t>(policy), static_cast<uint8_t>(policy >> 8)};
  const FirmwareVersion& minimum = one.demands.snp.minimum_abi;
  one.checks.add("guest_policy.abi", not_below(abi, minimum),
                 fmt::format("at least {}.{}", minimum.major, minimum.minor),
                 fmt::format("{}.{}", abi.major, abi.minor),
                 {"policy", "guest policy lets older firmware run the guest"});
  one.checks.add("vmpl", one.report.vmpl <= one.demands.snp.maximum_vmpl,
                 fmt::format("at most {}", one.demands.snp.maximum_vmpl),
                 std::to_string(one.report.vmpl),
                 {"vmpl", "report was asked for from a lower privilege level"});
}

void check_keys(const SnpCase& one) {
  auto lists = [](const std::vector<Bytes>& digests) {
    return digests.empty() ? std::vector<std::vector<Bytes>>{}
                           : std::vector<std::vector<Bytes>>{digests};
  };
  check_one_of(one.checks, "id_key_digest", "id_key", lists(one.demands.snp.id_keys),
               one.report.id_key_digest);
  if (!one.demands.snp.author_keys.empty()) {
    one.checks.add("author_key", (one.report.key_info & evidence::kKeyInfoAuthorKey) != 0,
                   "AUTHOR_KEY_EN", snp_hex(one.report.key_info),
                   {"author_key", "launch has no author key"});
  }
  check_one_of(one.checks, "author_key_digest", "author_key", lists(one.demands.snp.author_keys),
               one.report.author_key_digest);
}

void check_mitigations(const SnpCase& one) {
  for (auto [name, demanded, found] :
       {std::tuple{"mitigations.launch", one.demands.snp.launch_mitigations,
                   one.report.launch_mitigation_vector},
        std::tuple{"mitigations.current", one.demands.snp.current_mitigations,
                   one.report.current_mitigation_vector}}) {
    if (!demanded) {
      one.checks.not_applicable(name, snp_hex(found) + "; nothing is demanded");
      continue;
    }
    one.checks.add(name, (found & demanded) == demanded, "all of " + snp_hex(demanded),
                   one.report.version < 5 ? "a report before version 5 has none" : snp_hex(found),
                   {"mitigation", "firmware does not mitigate all that the policy demands"});
  }
}

void check_demands(const SnpCase& one) {
  check_guest_policy(one);
  check_each(one.checks, "report_data", "report_data", one.demands.report_data,
             one.report.report_data);
  check_each(one.checks, "host_data", "host_data", one.demands.host_data, one.report.host_data);
  check_one_of(one.checks, "measurement", "measurement", one.demands.measurements,
               one.report.measurement);
  check_keys(one);
  one.checks.add("guest_svn", one.report.guest_svn >= one.demands.snp.minimum_guest_svn,
                 fmt::format("at least {}", one.demands.snp.minimum_guest_svn),
                 std::to_string(one.report.guest_svn),
                 {"guest_svn", "guest's security version is too old"});
  check_bits(one.checks, one.demands.snp.platform, "platform", "platform",
             one.report.platform_info);
  one.checks.add("minimum_firmware",
                 not_below(one.report.committed, one.demands.snp.minimum_firmware),
                 "at least " + describe(one.demands.snp.minimum_firmware),
                 describe(one.report.committed), {"firmware", "committed firmware is too old"});
  check_mitigations(one);
}

std::string tcb_as_json(const TcbVersion& tcb, Product product) {
  Json json = {{"bootloader", tcb.bootloader},
               {"tee", tcb.tee},
               {"snp", tcb.snp},
               {"microcode", tcb.microcode}};
  if (product == Product::turin) json["fmc"] = tcb.fmc;
  return json.dump();
}

VerifiedEvidence snp_content(const Evidence& evidence, const SnpReport& report,
                             std::optional<Product> product) {
  VerifiedEvidence said;
  said.tee = evidence.tee;
  said.measurement.assign(report.measurement.begin(), report.measurement.end());
  said.host_data.assign(report.host_data.begin(), report.host_data.end());
  said.report_data.assign(report.report_data.begin(), report.report_data.end());
  said.policy = report.policy;
  said.reported_tcb = report.reported_tcb;
  said.version = report.version;
  said.chip_id = to_hex(report.chip_id);
  said.vmpl = report.vmpl;
  said.guest_svn = report.guest_svn;
  said.platform_info = report.platform_info;
  if (report.signing_key() == evidence::kSignedByVcek) said.signer = "vcek";
  if (report.signing_key() == evidence::kSignedByVlek) said.signer = "vlek";
  if (!product) return said;
  said.product = evidence::to_string(*product);
  said.tcb = tcb_as_json(TcbVersion::decode(report.reported_tcb, *product), *product);
  return said;
}

}  // namespace

Result<VerifiedEvidence> read_snp(const Evidence& evidence) {
  SnpReport report = TRY(SnpReport::parse(evidence.report));
  return snp_content(evidence, report, report.product());
}

Result<VerifiedEvidence> judge_snp(const Evidence& evidence, const Demands& demands,
                                   Checks& checks) {
  SnpReport report = TRY(SnpReport::parse(evidence.report));
  GivenCertificates given = TRY(sort_certificates(evidence));
  const SnpCase one{evidence, report, demands, checks};
  const bool simulated = check_marker(one, given);
  check_form(one);
  check_signer(one);
  std::optional<CertificateChain> chain =
      check_chain(checks, given, signer_of(report), simulated, report.product(), demands);
  if (chain && !simulated) check_revocation(checks, *chain, evidence.revocation_lists, demands);
  check_signature(one, chain);
  if (chain) {
    check_certificate_content(one, *chain);
    check_tcb_order(one, chain->product);
    check_tcb_minimum(one, chain->product);
  } else {
    for (const char* check : {"product", "tcb_certificate", "chip_id", "tcb_minimum"})
      checks.not_reached(check);
  }
  check_demands(one);
  return snp_content(evidence, report, chain ? chain->product : report.product());
}

}  // namespace bartizan::attest::verify
