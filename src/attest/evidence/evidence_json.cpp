// The JSON forms of CoCo. SNP: {"attestation_report": {…}, "cert_chain": [{"cert_type", "data":
// [ints]}] or null}. The report travels as its fields, so reserved bytes cannot: a report that has
// some brings "raw_report" too, base64 of its bytes, which then count. TDX: {"quote": base64,
// "cc_eventlog": base64 or null}, and our own "collateral".

#include <optional>

#include "attest/evidence/certificate_role.hpp"
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

constexpr std::string_view kWhat = "SNP evidence", kTdxWhat = "TDX evidence";
// Bytes as JSON integers take four characters each: report, six certificates of 2 KiB and their
// names stay below.
constexpr size_t kMaxEvidenceJson = 256 * kKiB;
constexpr size_t kMaxChain = 8;  // VCEK, VLEK, ASK, ARK, CRL … each at most once
constexpr size_t kMaxCertificate = 16 * kKiB;
// Quotes are 5 KiB; an event log's ACPI area is 64 KiB, in some clouds 256 KiB.
constexpr size_t kMaxTdxEvidenceJson = 2 * kMiB, kMaxQuote = 64 * kKiB, kMaxEventLog = kMiB;

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

Result<Bytes> raw_report_from_json(const Json& json) {
  if (!json.is_string()) return corrupt("raw_report is not a text");
  Bytes bytes = TRY(from_base64(json.get_ref<const std::string&>()));
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

// Other kinds than these and CRL are passed over.
Result<void> chain_from_json(const Json& chain, Evidence& to) {
  if (chain.is_null()) return {};
  if (!chain.is_array() || chain.size() > kMaxChain)
    return corrupt("cert_chain is not a short array");
  for (std::string_view wanted : {"VCEK", "VLEK", "ASK", "ARK"}) {
    for (const Json& entry : chain) {
      const Json* type = TRY(json_member(entry, "cert_type", kWhat));
      if (*type != wanted) continue;
      to.certificates.push_back(
          TRY(certificate_from_json(*TRY(json_member(entry, "data", kWhat)))));
      break;
    }
  }
  for (const Json& entry : chain) {
    if (*TRY(json_member(entry, "cert_type", kWhat)) != "CRL") continue;
    to.revocation_lists.push_back(
        TRY(certificate_from_json(*TRY(json_member(entry, "data", kWhat)))));
  }
  return {};
}

// By what the certificates are; what is none keeps the name of its place.
Json chain_to_json(const Evidence& evidence) {
  constexpr std::string_view kTypes[] = {"VCEK", "ASK", "ARK"};
  Json chain = Json::array();
  for (size_t i = 0; i < evidence.certificates.size(); ++i) {
    auto certificate = crypto::Certificate::from_der(evidence.certificates[i]);
    if (!certificate.ok() && i >= std::size(kTypes)) continue;
    chain.push_back({{"cert_type", certificate.ok() ? to_string(role_of(*certificate)) : kTypes[i]},
                     {"data", evidence.certificates[i]}});
  }
  for (const Bytes& list : evidence.revocation_lists)
    chain.push_back({{"cert_type", "CRL"}, {"data", list}});
  return chain.empty() ? Json() : chain;  // Trustee takes an empty list for a chain without VCEK
}

Result<Json> json_of_size(std::string_view text, size_t limit, std::string_view what) {
  if (text.size() <= limit) return parse_json(text, what);
  return make_error(ErrorCode::corrupt, "attest/evidence", "{}: {} bytes of JSON, at most {}", what,
                    text.size(), limit);
}

Result<Evidence> snp_from_json(std::string_view text, Tee tee) {
  Json json = TRY(json_of_size(text, kMaxEvidenceJson, kWhat));
  Evidence evidence;
  evidence.tee = tee;
  const Json* fields = TRY(json_member(json, "attestation_report", kWhat));
  auto raw = json.find("raw_report");
  const bool has_raw = raw != json.end() && !raw->is_null();
  evidence.report = has_raw ? TRY(raw_report_from_json(*raw)) : TRY(report_from_json(*fields));
  auto chain = json.find("cert_chain");
  if (chain != json.end()) TRY(chain_from_json(*chain, evidence));
  return evidence;
}

Result<std::string> snp_to_json(const Evidence& evidence) {
  SnpReport report = TRY(SnpReport::parse(evidence.report));
  Product product = TRY(product_for_tcb(report));
  Json fields = report_to_json(report, product);
  Json json = {{"attestation_report", fields}, {"cert_chain", chain_to_json(evidence)}};
  auto again = report_from_json(fields);
  if (!again.ok() || *again != evidence.report) json["raw_report"] = to_base64(evidence.report);
  return json.dump();
}

Result<Bytes> base64_member(const Json& json, std::string_view key, size_t limit) {
  std::string text = TRY(json_string(json, key, kTdxWhat));
  Bytes bytes = TRY(from_base64(text));
  if (bytes.size() <= limit) return bytes;
  return make_error(ErrorCode::corrupt, "attest/evidence", "{}: {}: {} bytes, at most {}", kTdxWhat,
                    key, bytes.size(), limit);
}

Result<Evidence> tdx_from_json(std::string_view text) {
  Json json = TRY(json_of_size(text, kMaxTdxEvidenceJson, kTdxWhat));
  Evidence evidence;
  evidence.tee = Tee::tdx;
  evidence.report = TRY(base64_member(json, "quote", kMaxQuote));
  auto log = json.find("cc_eventlog");
  if (log != json.end() && !log->is_null())
    evidence.event_log = TRY(base64_member(json, "cc_eventlog", kMaxEventLog));
  auto collateral = json.find("collateral");
  if (collateral != json.end() && !collateral->is_null()) evidence.collateral = collateral->dump();
  return evidence;
}

Result<std::string> tdx_to_json(const Evidence& evidence) {
  Json json = {{"quote", to_base64(evidence.report)}, {"cc_eventlog", Json()}};
  if (!evidence.event_log.empty()) json["cc_eventlog"] = to_base64(evidence.event_log);
  if (!evidence.collateral.empty())
    json["collateral"] = TRY(json_of_size(evidence.collateral, kMaxTdxEvidenceJson, kTdxWhat));
  return json.dump();
}

Error without_json_form(Tee tee) {
  return make_error(ErrorCode::unsupported, "attest/evidence",
                    "evidence of TEE {}: it has no JSON form; snp, tdx and simulated have",
                    kbs_tee_name(tee));
}

}  // namespace

Result<std::string> evidence_to_json(const Evidence& evidence) {
  if (evidence.tee == Tee::tdx) return tdx_to_json(evidence);
  if (evidence.tee == Tee::snp || evidence.tee == Tee::simulated) return snp_to_json(evidence);
  return without_json_form(evidence.tee);
}

Result<Evidence> evidence_from_json(std::string_view text, Tee tee) {
  if (tee == Tee::tdx) return tdx_from_json(text);
  if (tee == Tee::snp || tee == Tee::simulated) return snp_from_json(text, tee);
  return without_json_form(tee);
}

}  // namespace bartizan
