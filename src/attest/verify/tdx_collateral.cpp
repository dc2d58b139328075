#include "attest/verify/tdx_collateral.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/timestamp.hpp"

namespace bartizan::attest::verify {
namespace {

constexpr std::string_view kCollateral = "TDX collateral";

template <typename... Args>
Error bad_collateral(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::corrupt, "attest/verify", "{}: {}", kCollateral,
                    fmt::format(format, std::forward<Args>(args)...));
}

Result<Bytes> hex_member(const Json& json, std::string_view name, size_t size) {
  std::string text = TRY(json_string(json, name, kCollateral));
  auto bytes = from_hex(text);
  if (!bytes.ok() || (size && bytes->size() != size))
    return bad_collateral("{} is not {} bytes in hexadecimal", name, size);
  return *std::move(bytes);
}

// Fields of the processor that are little endian there are written as bytes in memory order.
template <typename T>
Result<T> hex_number(const Json& json, std::string_view name) {
  Bytes bytes = TRY(hex_member(json, name, sizeof(T)));
  return load_le<T>(bytes.data());
}
// MISCSELECT is written as a number instead.
Result<uint32_t> misc_select_member(const Json& json, std::string_view name) {
  Bytes bytes = TRY(hex_member(json, name, 4));
  std::reverse(bytes.begin(), bytes.end());
  return load_le<uint32_t>(bytes.data());
}

Result<uint64_t> number_up_to(const Json& json, std::string_view name, uint64_t most) {
  const uint64_t value = TRY(json_unsigned(json, name, kCollateral));
  if (value > most) return bad_collateral("{} is {}, at most {}", name, value, most);
  return value;
}

Result<int64_t> date_member(const Json& json, std::string_view name) {
  std::string text = TRY(json_string(json, name, kCollateral));
  auto seconds = parse_rfc3339(text);
  if (!seconds) return bad_collateral("{} is not a date: \"{}\"", name, text.substr(0, 64));
  return *seconds;
}

Result<const Json*> list_member(const Json& json, std::string_view name, size_t most) {
  const Json* list = TRY(json_member(json, name, kCollateral));
  if (!list->is_array() || list->size() > most)
    return bad_collateral("{} is not a list of at most {}", name, most);
  return list;
}

Result<void> read_components(const Json& tcb, std::string_view name, std::array<uint8_t, 16>& to) {
  const Json* list = TRY(list_member(tcb, name, to.size()));
  if (list->size() != to.size()) return bad_collateral("{} has not 16 members", name);
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<uint8_t>(TRY(number_up_to((*list)[i], "svn", 255)));
  return {};
}

Result<TcbLevel> read_level(const Json& json, bool of_platform) {
  TcbLevel level;
  const Json* tcb = TRY(json_member(json, "tcb", kCollateral));
  if (of_platform) {
    TRY(read_components(*tcb, "sgxtcbcomponents", level.sgx));
    TRY(read_components(*tcb, "tdxtcbcomponents", level.tdx));
    level.pce_svn = static_cast<uint32_t>(TRY(number_up_to(*tcb, "pcesvn", 0xffff)));
  } else {
    level.isv_svn = static_cast<uint32_t>(TRY(number_up_to(*tcb, "isvsvn", 0xffff)));
  }
  level.status = TRY(json_string(json, "tcbStatus", kCollateral));
  if (!json.contains("advisoryIDs")) return level;
  for (const Json& one : *TRY(list_member(json, "advisoryIDs", 256))) {
    if (!one.is_string()) return bad_collateral("advisoryIDs holds something other than texts");
    level.advisories.push_back(one.get<std::string>());
  }
  return level;
}

Result<std::vector<TcbLevel>> read_levels(const Json& json, bool of_platform) {
  std::vector<TcbLevel> levels;
  for (const Json& one : *TRY(list_member(json, "tcbLevels", kMaxTcbLevels)))
    levels.push_back(TRY(read_level(one, of_platform)));
  return levels;
}

Result<TdxModuleIdentity> read_module(const Json& json) {
  TdxModuleIdentity module;
  module.mr_signer = TRY(hex_member(json, "mrsigner", 48));
  module.attributes = TRY(hex_number<uint64_t>(json, "attributes"));
  module.attributes_mask = TRY(hex_number<uint64_t>(json, "attributesMask"));
  if (!json.contains("id")) return module;
  module.id = TRY(json_string(json, "id", kCollateral));
  module.levels = TRY(read_levels(json, false));
  return module;
}

Result<std::vector<crypto::Certificate>> chain_member(const Json& json, std::string_view name) {
  std::string pem = TRY(json_string(json, name, kCollateral));
  auto chain = TRY(crypto::Certificate::all_from_pem(pem));
  if (chain.size() != 2) return bad_collateral("{} has {} certificates, not 2", name, chain.size());
  return chain;
}

// The document of that name, and its parsed form.
Result<Json> read_document(const Json& json, const std::string& name, SignedDocument& to) {
  to.text = TRY(json_string(json, name, kCollateral));
  to.signature = TRY(hex_member(json, name + "_signature", 64));
  to.issuers = TRY(chain_member(json, name + "_issuer_chain"));
  Bytes both = to.signature;  // its size is fixed
  both.insert(both.end(), to.text.begin(), to.text.end());
  to.digest = crypto::sha256(both);
  Json document = TRY(parse_json(to.text, kCollateral));
  to.issued = TRY(date_member(document, "issueDate"));
  to.next_update = TRY(date_member(document, "nextUpdate"));
  to.evaluation_number = TRY(json_unsigned(document, "tcbEvaluationDataNumber", kCollateral));
  return document;
}

Result<TcbInfo> read_tcb_info(const Json& json) {
  TcbInfo info;
  Json document = TRY(read_document(json, "tcb_info", info.document));
  info.id = TRY(json_string(document, "id", kCollateral));
  info.version = TRY(json_unsigned(document, "version", kCollateral));
  info.fmspc = TRY(hex_member(document, "fmspc", 6));
  info.pce_id = TRY(hex_member(document, "pceId", 2));
  info.module = TRY(read_module(*TRY(json_member(document, "tdxModule", kCollateral))));
  if (document.contains("tdxModuleIdentities")) {
    for (const Json& one : *TRY(list_member(document, "tdxModuleIdentities", kMaxTcbLevels)))
      info.modules.push_back(TRY(read_module(one)));
  }
  info.levels = TRY(read_levels(document, true));
  return info;
}

Result<QeIdentity> read_qe_identity(const Json& json) {
  QeIdentity identity;
  Json document = TRY(read_document(json, "qe_identity", identity.document));
  identity.id = TRY(json_string(document, "id", kCollateral));
  identity.version = TRY(json_unsigned(document, "version", kCollateral));
  identity.misc_select = TRY(misc_select_member(document, "miscselect"));
  identity.misc_select_mask = TRY(misc_select_member(document, "miscselectMask"));
  identity.attributes = TRY(hex_member(document, "attributes", 16));
  identity.attributes_mask = TRY(hex_member(document, "attributesMask", 16));
  identity.mr_signer = TRY(hex_member(document, "mrsigner", 32));
  identity.isv_prod_id = static_cast<uint32_t>(TRY(number_up_to(document, "isvprodid", 0xffff)));
  identity.levels = TRY(read_levels(document, false));
  return identity;
}

Result<crypto::RevocationList> list_of(const Json& json, std::string_view name) {
  Bytes der = TRY(hex_member(json, name, 0));
  return crypto::RevocationList::from_der(der);
}

}  // namespace

Result<TdxCollateral> parse_tdx_collateral(std::string_view text) {
  if (text.size() > kMaxCollateralJson)
    return bad_collateral("{} bytes, at most {}", text.size(), kMaxCollateralJson);
  Json json = TRY(parse_json(text, kCollateral));
  TcbInfo tcb_info = TRY(read_tcb_info(json));
  QeIdentity qe_identity = TRY(read_qe_identity(json));
  crypto::RevocationList root_list = TRY(list_of(json, "root_ca_crl"));
  crypto::RevocationList pck_list = TRY(list_of(json, "pck_crl"));
  auto issuers = TRY(chain_member(json, "pck_crl_issuer_chain"));
  return TdxCollateral{std::move(tcb_info), std::move(qe_identity), std::move(root_list),
                       std::move(pck_list), std::move(issuers)};
}

}  // namespace bartizan::attest::verify
