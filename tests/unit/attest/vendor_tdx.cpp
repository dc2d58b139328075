#include "unit/attest/vendor_tdx.hpp"

#include <algorithm>

#include "attest/verify/pck_extension.hpp"
#include "crypto/hash.hpp"

namespace bartizan::test {
namespace {

constexpr const char* kRootName = "Intel SGX Root CA";

template <typename T>
void append_number(Bytes& to, T value) {
  Bytes bytes(sizeof(T));
  store_le(bytes.data(), value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Bytes join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) append(all, part);
  return all;
}

// 1.2.840.113741.1.13.1 and the arcs below it.
Bytes sgx_name(const Bytes& arcs) {
  return der_item(6, join({{0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01}, arcs}));
}
Bytes sgx_member(const Bytes& arcs, const Bytes& value) {
  return der_item(0x30, join({sgx_name(arcs), value}));
}

Json levels(std::initializer_list<std::pair<int, const char*>> rows) {
  Json list = Json::array();
  for (auto [svn, status] : rows) {
    list.push_back(
        {{"tcb", {{"isvsvn", svn}}}, {"tcbDate", "2025-01-01T00:00:00Z"}, {"tcbStatus", status}});
  }
  return list;
}

Json components_json(uint8_t first, uint8_t third) {
  Json list = Json::array();
  for (int i = 0; i < 16; ++i) list.push_back({{"svn", i == 0 ? first : i == 2 ? third : 0}});
  return list;
}

Json platform_level(uint8_t sgx, int pce, uint8_t tdx, const char* status) {
  return {{"tcb",
           {{"sgxtcbcomponents", components_json(sgx, 2)},
            {"pcesvn", pce},
            {"tdxtcbcomponents", components_json(0, tdx)}}},
          {"tcbDate", "2025-01-01T00:00:00Z"},
          {"tcbStatus", status},
          {"advisoryIDs", {"INTEL-SA-00001"}}};
}

Json module_json(const char* id) {
  Json json = {{"mrsigner", std::string(96, '0')},
               {"attributes", std::string(16, '0')},
               {"attributesMask", std::string(16, 'F')}};
  if (!id) return json;
  json["id"] = id;
  json["tcbLevels"] = levels({{4, "UpToDate"}, {2, "OutOfDate"}});
  return json;
}

Json document(const char* id, int version) {
  return {{"id", id},
          {"version", version},
          {"issueDate", "2025-06-10T00:00:00Z"},  // kVendorNow is 2025-06-15
          {"nextUpdate", "2025-07-10T00:00:00Z"},
          {"tcbEvaluationDataNumber", 17}};
}

}  // namespace

Bytes der_item(uint8_t tag, const Bytes& content) {
  Bytes item = {tag};
  if (content.size() < 0x80) {
    item.push_back(static_cast<uint8_t>(content.size()));
  } else if (content.size() < 0x100) {
    append(item, Bytes{0x81, static_cast<uint8_t>(content.size())});
  } else {
    append(item, Bytes{0x82, static_cast<uint8_t>(content.size() >> 8),
                       static_cast<uint8_t>(content.size())});
  }
  append(item, content);
  return item;
}

IntelVendor::IntelVendor(uint16_t which) : version(which) {
  static const VendorKey root_key = ec_key("P-256"), authority_key = ec_key("P-256"),
                         pck_key = ec_key("P-256"), signer_key = ec_key("P-256"),
                         quote_key = ec_key("P-256");
  root = {kRootName, kRootName, root_key, root_key, true};
  authority = {"Intel SGX PCK Platform CA", kRootName, authority_key, root_key, true};
  authority.serial = 2;
  pck = {"Intel SGX PCK Certificate", authority.name, pck_key, authority_key};
  pck.serial = 3;
  tcb_signer = {"Intel SGX TCB Signing", kRootName, signer_key, root_key};
  tcb_signer.serial = 4;
  attestation_key = quote_key;
  root_list_key = root_key;
  pck_list_key = authority_key;
  append_number(header, version);
  append_number(header, uint16_t{2});
  append_number(header, uint32_t{0x81});
  append_number(header, uint32_t{0});
  append(header, from_hex("939a7233f79c4ca9940a0db3957f0607").value());
  header.resize(48);
  body.resize(version == 5 ? 648 : 584);
  set(kTdTcbSvn, Bytes{4, 3, 5});
  set(kTdAttributes, Bytes{0, 0, 0, 0x10});
  set(kTdXfam, Bytes{0xe7, 0x02, 0x06});
  set(kTdMrTd, Bytes(48, 0x11));
  set(kTdMrConfigId, Bytes(32, 0x22));
  set(kTdReportData, Bytes(64, 0x33));
  components[0] = 3;
  components[2] = 2;
  qe_report.resize(384);
  qe_report[kQeAttributes] = 0x11;
  std::fill_n(qe_report.begin() + kQeMrSigner, 32, uint8_t{0xdc});
  qe_report[kQeIsvProdId] = 2;
  qe_report[kQeIsvSvn] = 4;

  tcb_info = document("TDX", 3);
  tcb_info["fmspc"] = "90C06F000000";
  tcb_info["pceId"] = "0000";
  tcb_info["tcbType"] = 0;
  tcb_info["tdxModule"] = module_json(nullptr);
  tcb_info["tdxModuleIdentities"] = {module_json("TDX_03"), module_json("TDX_01")};
  tcb_info["tcbLevels"] = {platform_level(3, 13, 5, "UpToDate"),
                           platform_level(2, 11, 3, "OutOfDate")};
  qe_identity = document("TD_QE", 2);
  qe_identity["miscselect"] = "00000000";
  qe_identity["miscselectMask"] = "FFFFFFFF";
  qe_identity["attributes"] = "11000000000000000000000000000000";
  qe_identity["attributesMask"] = "FBFFFFFFFFFFFFFF0000000000000000";
  std::string signer;
  for (int i = 0; i < 32; ++i) signer += "DC";
  qe_identity["mrsigner"] = signer;
  qe_identity["isvprodid"] = 2;
  qe_identity["tcbLevels"] = levels({{4, "UpToDate"}, {2, "OutOfDate"}, {1, "Revoked"}});
}

void IntelVendor::set(size_t offset, ByteView bytes) {
  std::copy(bytes.begin(), bytes.end(), body.begin() + static_cast<ptrdiff_t>(offset));
}

Bytes IntelVendor::pck_extension() const {
  Bytes tcb;
  for (uint8_t i = 0; i < 16; ++i)
    append(tcb, sgx_member({2, static_cast<uint8_t>(i + 1)}, der_small_integer(components[i])));
  append(tcb, sgx_member({2, 17}, der_small_integer(static_cast<uint8_t>(pce_svn))));
  append(tcb, sgx_member({2, 18}, der_item(4, Bytes(components.begin(), components.end()))));
  return der_item(0x30,
                  join({sgx_member({1}, der_item(4, Bytes(16, 0x55))),
                        sgx_member({2}, der_item(0x30, tcb)), sgx_member({3}, der_item(4, pce_id)),
                        sgx_member({4}, der_item(4, fmspc)), sgx_member({5}, {0x0a, 1, 1})}));
}

Evidence IntelVendor::make() const {
  Bytes quote = header;
  if (version == 5) {
    append_number(quote, body_type);
    append_number(quote, static_cast<uint32_t>(body.size()));
  }
  append(quote, body);
  const Bytes signature = ecdsa(attestation_key, EVP_sha256(), quote);
  const Bytes key = public_point(attestation_key);

  Bytes qe = qe_report;
  if (bind_attestation_key) {
    const auto hash = crypto::sha256(join({key, qe_authentication}));
    std::copy(hash.begin(), hash.end(), qe.begin() + kQeReportData);
  }
  VendorCertificate leaf = pck;
  if (leaf.extensions.empty())
    leaf.extensions = {{std::string(attest::verify::kOidSgxExtension), pck_extension()}};
  const std::string chain = to_pem(leaf.der()) + to_pem(authority.der()) + to_pem(root.der());

  Bytes certification = join({qe, ecdsa(pck.key, EVP_sha256(), qe)});
  append_number(certification, static_cast<uint16_t>(qe_authentication.size()));
  append(certification, qe_authentication);
  append_number(certification, uint16_t{5});
  append_number(certification, static_cast<uint32_t>(chain.size()));
  append(certification, as_bytes(chain));

  Bytes data = join({signature, key});
  append_number(data, uint16_t{6});
  append_number(data, static_cast<uint32_t>(certification.size()));
  append(data, certification);
  append_number(quote, static_cast<uint32_t>(data.size()));
  append(quote, data);
  append(quote, trailing);

  Json collateral;
  for (auto [name, json] : {std::pair{"tcb_info", &tcb_info}, {"qe_identity", &qe_identity}}) {
    const std::string text = json->dump();
    collateral[name] = text;
    collateral[std::string(name) + "_signature"] =
        to_hex(ecdsa(tcb_signer.key, EVP_sha256(), as_bytes(text)));
    collateral[std::string(name) + "_issuer_chain"] = to_pem(tcb_signer.der()) + to_pem(root.der());
  }
  collateral["pck_crl_issuer_chain"] = to_pem(authority.der()) + to_pem(root.der());
  collateral["root_ca_crl"] =
      to_hex(VendorList{root.name, root_list_key, false, revoked_by_root, kVendorFrom, root_list_to}
                 .der());
  collateral["pck_crl"] = to_hex(VendorList{authority.name, pck_list_key, false,
                                            revoked_by_authority, kVendorFrom, pck_list_to}
                                     .der());
  Evidence evidence{Tee::tdx, quote, {}};
  evidence.collateral = collateral.dump();
  return evidence;
}

Bytes event_log(const std::vector<std::pair<uint32_t, Bytes>>& events) {
  Bytes log;
  append_number(log, uint32_t{1});
  append_number(log, uint32_t{3});
  log.resize(log.size() + 20);
  const std::string spec = std::string("Spec ID Event03") + '\0';
  append_number(log, static_cast<uint32_t>(spec.size()));
  append(log, as_bytes(spec));
  for (const auto& [rtmr, digest] : events) {
    append_number(log, rtmr + 1);
    append_number(log, uint32_t{0x80000001});
    append_number(log, uint32_t{1});
    append_number(log, uint16_t{0x0c});
    append(log, digest);
    append_number(log, uint32_t{4});
    append(log, as_bytes("text"));
  }
  log.resize(log.size() + 64, 0xff);
  return log;
}

Bytes extended(const std::vector<Bytes>& digests) {
  Bytes value(48);
  for (const Bytes& digest : digests) {
    const auto hash = crypto::sha384(join({value, digest}));
    value.assign(hash.begin(), hash.end());
  }
  return value;
}

}  // namespace bartizan::test
