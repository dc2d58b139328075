// Trustee's JSON form of SNP evidence: {"attestation_report": {…}, "cert_chain": [{"cert_type",
// "data": [ints]}]}. The report travels as its fields, so reserved bytes cannot; that is why
// parse() refuses them.

#include <optional>

#include "attest/evidence/snp_report.hpp"
#include "attest/evidence/tee_name.hpp"
#include "bartizan/attest.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/units.hpp"
#include "crypto/x509.hpp"

namespace bartizan {
using namespace attest::evidence;  // NOLINT: the public functions of this component
namespace {

constexpr std::string_view kWhat = "SNP evidence";
// Bytes as JSON integers take four characters each: report, six certificates of 2 KiB and their
// names stay below.
constexpr size_t kMaxEvidenceJson = 256 * kKiB;
constexpr size_t kMaxChain = 8;  // VCEK, VLEK, ASK, ARK, CRL … each at most once
constexpr size_t kMaxCertificate = 16 * kKiB;

Error corrupt(std::string_view what) {
  return make_error(ErrorCode::corrupt, "attest/evidence", "{}: {}", kWhat, what);
}

// The TCB layout hangs on the product. Version 2 does not name it; Turin came later, so the old
// layout it is.
Result<Product> product_for_tcb(const SnpReport& report) {
  if (report.version < 3) return Product::milan;
  std::optional<Product> product = report.product();
  if (!product) {
    return make_error(ErrorCode::unsupported, "attest/evidence",
                      "SNP report: CPUID family {:#x} model {:#x} not known", report.cpuid_family,
                      report.cpuid_model);
  }
  return *product;
}

Json tcb_to_json(uint64_t raw, Product product) {
  TcbVersion tcb = TcbVersion::decode(raw, product);
  return {{"fmc", product == Product::turin ? Json(tcb.fmc) : Json()},
          {"bootloader", tcb.bootloader},
          {"tee", tcb.tee},
          {"snp", tcb.snp},
          {"microcode", tcb.microcode}};
}

Json version_to_json(const FirmwareVersion& version) {
  return {{"major", version.major}, {"minor", version.minor}, {"build", version.build}};
}

Json report_to_json(const SnpReport& r, Product product) {
  Json json = {{"version", r.version},
               {"guest_svn", r.guest_svn},
               {"policy", r.policy},
               {"family_id", r.family_id},
               {"image_id", r.image_id},
               {"vmpl", r.vmpl},
               {"sig_algo", r.signature_algorithm},
               {"current_tcb", tcb_to_json(r.current_tcb, product)},
               {"plat_info", r.platform_info},
               {"key_info", r.key_info},
               {"report_data", r.report_data},
               {"measurement", r.measurement},
               {"host_data", r.host_data},
               {"id_key_digest", r.id_key_digest},
               {"author_key_digest", r.author_key_digest},
               {"report_id", r.report_id},
               {"report_id_ma", r.report_id_ma},
               {"reported_tcb", tcb_to_json(r.reported_tcb, product)}};
  json["cpuid_fam_id"] = r.version >= 3 ? Json(r.cpuid_family) : Json();
  json["cpuid_mod_id"] = r.version >= 3 ? Json(r.cpuid_model) : Json();
  json["cpuid_step"] = r.version >= 3 ? Json(r.cpuid_stepping) : Json();
  json["chip_id"] = r.chip_id;
  json["committed_tcb"] = tcb_to_json(r.committed_tcb, product);
  json["current"] = version_to_json(r.current);
  json["committed"] = version_to_json(r.committed);
  json["launch_tcb"] = tcb_to_json(r.launch_tcb, product);
  json["launch_mit_vector"] = r.version >= 5 ? Json(r.launch_mitigation_vector) : Json();
  json["current_mit_vector"] = r.version >= 5 ? Json(r.current_mitigation_vector) : Json();
  json["signature"] = {{"r", r.signature_r}, {"s", r.signature_s}};
  return json;
}

// Reads members of one object and remembers the first failure, so that forty of them stay readable.
class MemberReader {
 public:
  MemberReader(const Json& object, std::string_view what) : object_(object), what_(what) {}

  template <typename T>
  void number(std::string_view key, T& to) {
    const Json* value = member(key);
    if (!value) return;
    if (!value->is_number_unsigned() || value->get<uint64_t>() > std::numeric_limits<T>::max())
      return fail(key);
    to = static_cast<T>(value->get<uint64_t>());
  }
  template <typename T>
  void optional_number(std::string_view key, T& to) {
    auto found = object_.find(std::string(key));
    if (found != object_.end() && !found->is_null()) number(key, to);
  }
  template <size_t N>
  void bytes(std::string_view key, std::array<uint8_t, N>& to) {
    const Json* value = member(key);
    if (!value) return;
    if (!value->is_array() || value->size() != N) return fail(key);
    for (size_t i = 0; i < N; ++i) {
      const Json& item = (*value)[i];
      if (!item.is_number_unsigned() || item.get<uint64_t>() > 255) return fail(key);
      to[i] = static_cast<uint8_t>(item.get<uint64_t>());
    }
  }
  const Json& object(std::string_view key) {
    static const Json kNothing = Json::object();
    const Json* value = member(key);
    if (!value || !value->is_object()) return fail(key), kNothing;
    return *value;
  }
  void tcb(std::string_view key, Product product, uint64_t& to) {
    TcbVersion tcb;
    MemberReader reader(object(key), key);
    if (product == Product::turin) reader.number("fmc", tcb.fmc);
    reader.number("bootloader", tcb.bootloader);
    reader.number("tee", tcb.tee);
    reader.number("snp", tcb.snp);
    reader.number("microcode", tcb.microcode);
    adopt(reader);
    to = tcb.encode(product);
  }
  void version(std::string_view key, FirmwareVersion& to) {
    MemberReader reader(object(key), key);
    reader.number("major", to.major);
    reader.number("minor", to.minor);
    reader.number("build", to.build);
    adopt(reader);
  }
  void adopt(const MemberReader& inner) {
    if (!problem_ && inner.problem_) problem_ = what_ + "." + *inner.problem_;
  }
  const std::optional<std::string>& problem() const { return problem_; }

 private:
  const Json* member(std::string_view key) {
    auto found = object_.find(std::string(key));
    if (found == object_.end()) return fail(key), nullptr;
    return &*found;
  }
  void fail(std::string_view key) {
    if (!problem_) problem_ = what_ + "." + std::string(key);
  }

  const Json& object_;
  std::string what_;
  std::optional<std::string> problem_;
};

void read_fixed_members(MemberReader& reader, SnpReport& r) {
  reader.number("version", r.version);
  reader.number("guest_svn", r.guest_svn);
  reader.number("policy", r.policy);
  reader.bytes("family_id", r.family_id);
  reader.bytes("image_id", r.image_id);
  reader.number("vmpl", r.vmpl);
  reader.number("sig_algo", r.signature_algorithm);
  reader.number("plat_info", r.platform_info);
  reader.number("key_info", r.key_info);
  reader.bytes("report_data", r.report_data);
  reader.bytes("measurement", r.measurement);
  reader.bytes("host_data", r.host_data);
  reader.bytes("id_key_digest", r.id_key_digest);
  reader.bytes("author_key_digest", r.author_key_digest);
  reader.bytes("report_id", r.report_id);
  reader.bytes("report_id_ma", r.report_id_ma);
  reader.optional_number("cpuid_fam_id", r.cpuid_family);
  reader.optional_number("cpuid_mod_id", r.cpuid_model);
  reader.optional_number("cpuid_step", r.cpuid_stepping);
  reader.bytes("chip_id", r.chip_id);
  reader.version("current", r.current);
  reader.version("committed", r.committed);
  reader.optional_number("launch_mit_vector", r.launch_mitigation_vector);
  reader.optional_number("current_mit_vector", r.current_mitigation_vector);
}

Result<Bytes> report_from_json(const Json& json) {
  if (!json.is_object()) return corrupt("attestation_report is not an object");
  SnpReport report;
  MemberReader reader(json, "attestation_report");
  read_fixed_members(reader, report);
  if (reader.problem()) return corrupt(*reader.problem() + " is missing or of a wrong kind");

  Product product = TRY(product_for_tcb(report));
  reader.tcb("current_tcb", product, report.current_tcb);
  reader.tcb("reported_tcb", product, report.reported_tcb);
  reader.tcb("committed_tcb", product, report.committed_tcb);
  reader.tcb("launch_tcb", product, report.launch_tcb);
  MemberReader signature(reader.object("signature"), "signature");
  signature.bytes("r", report.signature_r);
  signature.bytes("s", report.signature_s);
  reader.adopt(signature);
  if (reader.problem()) return corrupt(*reader.problem() + " is missing or of a wrong kind");
  Bytes bytes = report.serialize();
  TRY(SnpReport::parse(bytes));
  return bytes;
}

// DER as it is, PEM decoded: Trustee's attesters send either.
Result<Bytes> certificate_from_json(const Json& data) {
  if (!data.is_array() || data.size() > kMaxCertificate)
    return corrupt("cert_chain: data is not a short array");
  Bytes bytes;
  for (const Json& item : data) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > 255)
      return corrupt("cert_chain: data holds no bytes");
    bytes.push_back(static_cast<uint8_t>(item.get<uint64_t>()));
  }
  if (!as_text(bytes).starts_with("-----BEGIN")) return bytes;
  return TRY(crypto::Certificate::from_pem(as_text(bytes))).der();
}

// In the order of Evidence: VCEK, ASK, ARK. Other kinds (CRL, VLEK …) are passed over.
Result<std::vector<Bytes>> chain_from_json(const Json& chain) {
  if (chain.is_null()) return std::vector<Bytes>();
  if (!chain.is_array() || chain.size() > kMaxChain)
    return corrupt("cert_chain is not a short array");
  std::vector<Bytes> certificates;
  for (std::string_view wanted : {"VCEK", "ASK", "ARK"}) {
    for (const Json& entry : chain) {
      const Json* type = TRY(json_member(entry, "cert_type", kWhat));
      if (*type != wanted) continue;
      certificates.push_back(TRY(certificate_from_json(*TRY(json_member(entry, "data", kWhat)))));
      break;
    }
  }
  return certificates;
}

Result<void> check_has_snp_form(Tee tee) {
  if (tee == Tee::snp || tee == Tee::simulated) return {};
  return make_error(ErrorCode::unsupported, "attest/evidence",
                    "evidence of TEE {}: no JSON form yet; only snp and simulated",
                    kbs_tee_name(tee));
}

}  // namespace

Result<std::string> evidence_to_json(const Evidence& evidence) {
  TRY(check_has_snp_form(evidence.tee));
  SnpReport report = TRY(SnpReport::parse(evidence.report));
  Json chain = Json::array();
  constexpr std::string_view kTypes[] = {"VCEK", "ASK", "ARK"};
  for (size_t i = 0; i < evidence.certificates.size() && i < std::size(kTypes); ++i) {
    chain.push_back({{"cert_type", kTypes[i]}, {"data", evidence.certificates[i]}});
  }
  Product product = TRY(product_for_tcb(report));
  Json json = {{"attestation_report", report_to_json(report, product)}, {"cert_chain", chain}};
  return json.dump();
}

Result<Evidence> evidence_from_json(std::string_view text, Tee tee) {
  TRY(check_has_snp_form(tee));
  if (text.size() > kMaxEvidenceJson) {
    return corrupt(fmt::format("{} bytes of JSON, at most {}", text.size(), kMaxEvidenceJson));
  }
  Json json = TRY(parse_json(text, kWhat));
  Evidence evidence;
  evidence.tee = tee;
  evidence.report = TRY(report_from_json(*TRY(json_member(json, "attestation_report", kWhat))));
  auto chain = json.find("cert_chain");
  if (chain != json.end()) evidence.certificates = TRY(chain_from_json(*chain));
  return evidence;
}

}  // namespace bartizan
