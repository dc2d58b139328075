#include "attest/verify/policy.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <functional>
#include <limits>
#include <set>

#include "base/errors.hpp"
#include "base/json.hpp"

namespace bartizan::attest::verify {
namespace {

using evidence::Product;

constexpr size_t kMaxPolicyList = 4096;

Error bad_policy(const std::string& path, std::string_view what) {
  return invalid("attest/verify", "evidence policy: {}: {}", path, what);
}

std::vector<BitRule> guest_policy_rules() {
  return {{"smt", 16},
          {"migration_agent", 18, BitDemand::clear},
          {"debug", 19, BitDemand::clear},
          {"single_socket", 20},
          {"cxl", 21},
          {"memory_aes_256_xts", 22},
          {"rapl_disabled", 23},
          {"ciphertext_hiding", 24},
          {"page_swap_disabled", 25}};
}

std::vector<BitRule> platform_rules() {
  return {{"smt", 0},
          {"tsme", 1},
          {"ecc", 2},
          {"rapl_disabled", 3},
          {"ciphertext_hiding", 4},
          {"alias_check_complete", 5},
          {"sev_tio", 7}};
}

// TDX module ABI, ATTRIBUTES.
std::vector<BitRule> td_attribute_rules() {
  return {{"debug", 0, BitDemand::clear},
          {"sept_ve_disable", 28, BitDemand::set},
          {"migratable", 29, BitDemand::clear},
          {"protection_keys", 30},
          {"key_locker", 31},
          {"performance_monitoring", 63}};
}

// Reads the members of one object; whoever made it ends with finish(), which finds those that were
// not asked for.
class PolicyReader {
 public:
  PolicyReader(const Json& object, std::string path) : object_(object), path_(std::move(path)) {}

  Result<const Json*> member(std::string_view name) {
    if (!object_.is_object()) return bad_policy(path_, "is not an object");
    asked_.insert(std::string(name));
    auto found = object_.find(std::string(name));
    return found == object_.end() ? static_cast<const Json*>(nullptr) : &*found;
  }
  Result<void> boolean(std::string_view name, bool& to) {
    const Json* value = TRY(member(name));
    if (!value) return {};
    if (!value->is_boolean()) return bad_policy(path_of(name), "is neither true nor false");
    to = value->get<bool>();
    return {};
  }
  template <typename T>
  Result<void> number(std::string_view name, T& to) {
    const Json* value = TRY(member(name));
    if (!value) return {};
    if (!value->is_number_unsigned() || value->get<uint64_t>() > std::numeric_limits<T>::max())
      return bad_policy(path_of(name), fmt::format("is not a number of 0 to {}",
                                                   uint64_t{std::numeric_limits<T>::max()}));
    to = static_cast<T>(value->get<uint64_t>());
    return {};
  }
  // A mask, in hexadecimal, because JSON's readers disagree about numbers above 2^53.
  Result<void> mask(std::string_view name, uint64_t& to) {
    const Json* value = TRY(member(name));
    if (!value) return {};
    std::string text = value->is_string() ? value->get<std::string>() : "";
    std::string_view digits = text;
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to, 16);
    if (text.size() == digits.size() || error != std::errc() ||
        end != digits.data() + digits.size())
      return bad_policy(path_of(name), "is not a text such as \"0x1f\"");
    return {};
  }
  Result<void> texts(std::string_view name, std::vector<std::string>& to) {
    const Json* value = TRY(member(name));
    if (!value) return {};
    if (!value->is_array() || value->size() > kMaxPolicyList)
      return bad_policy(path_of(name), "is not a list, or is a very long one");
    to.clear();
    for (const Json& one : *value) {
      if (!one.is_string()) return bad_policy(path_of(name), "holds something other than texts");
      to.push_back(one.get<std::string>());
    }
    return {};
  }
  // A list of values in hexadecimal; a demand without a value that fits would accept nothing.
  Result<void> blobs(std::string_view name, size_t size, std::vector<Bytes>& to) {
    std::vector<std::string> list;
    TRY(texts(name, list));
    for (const std::string& text : list) to.push_back(TRY(blob_of(name, text, size)));
    if (list.empty() && TRY(member(name))) return bad_policy(path_of(name), "is an empty list");
    return {};
  }
  Result<void> blob(std::string_view name, size_t size, std::vector<Bytes>& to) {
    const Json* value = TRY(member(name));
    if (!value) return {};
    if (!value->is_string()) return bad_policy(path_of(name), "is not a text");
    to.push_back(TRY(blob_of(name, value->get<std::string>(), size)));
    return {};
  }
  Result<void> bits(std::string_view name, std::vector<BitRule>& rules,
                    const std::function<Result<void>(PolicyReader&)>& others = {}) {
    return object(name, [&](PolicyReader& inner) -> Result<void> {
      for (BitRule& rule : rules) TRY(inner.bit(rule));
      if (others) TRY(others(inner));
      return {};
    });
  }
  Result<void> object(std::string_view name,
                      const std::function<Result<void>(PolicyReader&)>& read) {
    const Json* value = TRY(member(name));
    if (!value) return {};
    PolicyReader inner(*value, path_of(name));
    if (!value->is_object()) return bad_policy(inner.path_, "is not an object");
    TRY(read(inner));
    return inner.finish();
  }
  Result<void> finish() const {
    if (!object_.is_object()) return bad_policy(path_, "is not an object");
    for (const auto& [name, value] : object_.items()) {
      if (!asked_.contains(name)) return bad_policy(path_of(name), "is not a known member");
    }
    return {};
  }
  std::string path_of(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }

 private:
  Result<Bytes> blob_of(std::string_view name, const std::string& text, size_t size) const {
    auto bytes = from_hex(text);
    if (!bytes.ok() || bytes->size() != size)
      return bad_policy(path_of(name), fmt::format("\"{}\" is not {} bytes in hexadecimal",
                                                   text.substr(0, 200), size));
    return *std::move(bytes);
  }
  Result<void> bit(BitRule& rule) {
    const Json* value = TRY(member(rule.name));
    if (!value) return {};
    if (value->is_boolean()) {
      rule.demand = value->get<bool>() ? BitDemand::set : BitDemand::clear;
    } else if (*value == "any") {
      rule.demand = BitDemand::any;
    } else {
      return bad_policy(path_of(rule.name), "is neither true, false nor \"any\"");
    }
    return {};
  }

  const Json& object_;
  std::string path_;
  std::set<std::string> asked_;
};

constexpr std::array<std::pair<std::string_view, Product>, 3> kProductNames = {
    {{"milan", Product::milan}, {"genoa", Product::genoa}, {"turin", Product::turin}}};

Result<void> read_products(PolicyReader& reader, SnpDemands& to) {
  std::vector<std::string> names;
  TRY(reader.texts("products", names));
  if (!TRY(reader.member("products"))) return {};
  to.products.clear();
  for (const std::string& name : names) {
    auto known = std::find_if(kProductNames.begin(), kProductNames.end(),
                              [&name](const auto& one) { return one.first == name; });
    if (known == kProductNames.end()) {
      return bad_policy(reader.path_of("products"),
                        "\"" + name +
                            "\" is not milan, genoa or turin (Bergamo and Siena are "
                            "genoa)");
    }
    to.products.push_back(known->second);
  }
  return {};
}

// All components of a product are named: who leaves one out has not thought of it.
Result<void> read_tcb(PolicyReader& reader, Product product, evidence::TcbVersion& to) {
  std::vector<std::pair<std::string_view, uint8_t*>> components = {{"bootloader", &to.bootloader},
                                                                   {"tee", &to.tee},
                                                                   {"snp", &to.snp},
                                                                   {"microcode", &to.microcode}};
  if (product == Product::turin) components.emplace_back("fmc", &to.fmc);
  for (auto [name, value] : components) {
    if (!TRY(reader.member(name)))
      return bad_policy(reader.path_of(name), "is missing; 0 demands nothing of it");
    TRY(reader.number(name, *value));
  }
  return {};
}

Result<void> read_minimum_tcb(PolicyReader& reader, SnpDemands& to) {
  return reader.object("minimum_tcb", [&](PolicyReader& products) -> Result<void> {
    for (auto [name, product] : kProductNames) {
      if (!TRY(products.member(name))) continue;
      TRY(products.object(name, [&to, product = product](PolicyReader& one) {
        return read_tcb(one, product, to.minimum_tcb[product]);
      }));
    }
    return {};
  });
}

Result<void> read_firmware(PolicyReader& reader, std::string_view name, bool build,
                           evidence::FirmwareVersion& to) {
  return reader.object(name, [&](PolicyReader& version) -> Result<void> {
    TRY(version.number("major", to.major));
    TRY(version.number("minor", to.minor));
    if (build) TRY(version.number("build", to.build));
    return {};
  });
}

Result<void> check_key_hashes(const std::string& path, std::vector<std::string>& hashes) {
  for (std::string& hash : hashes) {
    auto bytes = from_hex(hash);
    if (!bytes.ok() || bytes->size() != 32)
      return bad_policy(path, "\"" + hash.substr(0, 200) + "\" is not a SHA-256 in hexadecimal");
    hash = to_hex(*bytes);
  }
  return {};
}

Result<void> read_signers(PolicyReader& reader, SnpDemands& to) {
  std::vector<std::string> signers;
  TRY(reader.texts("signers", signers));
  if (!TRY(reader.member("signers"))) return {};
  to.accept_vcek = to.accept_vlek = false;
  for (const std::string& signer : signers) {
    if (signer != "vcek" && signer != "vlek")
      return bad_policy(reader.path_of("signers"), "\"" + signer + "\" is not vcek or vlek");
    (signer == "vcek" ? to.accept_vcek : to.accept_vlek) = true;
  }
  return {};
}

Result<void> read_snp(PolicyReader& reader, SnpDemands& to) {
  TRY(read_products(reader, to));
  TRY(read_minimum_tcb(reader, to));
  TRY(read_signers(reader, to));
  TRY(reader.object("report_version", [&to](PolicyReader& version) -> Result<void> {
    TRY(version.number("minimum", to.oldest_version));
    TRY(version.number("maximum", to.newest_version));
    return {};
  }));
  TRY(reader.boolean("allow_unknown_fields", to.accept_unknown_fields));
  TRY(reader.boolean("allow_masked_chip_id", to.accept_masked_chip_id));
  TRY(reader.blobs("chip_ids", 64, to.chip_ids));
  TRY(reader.number("maximum_vmpl", to.maximum_vmpl));
  TRY(reader.number("minimum_guest_svn", to.minimum_guest_svn));
  TRY(read_firmware(reader, "minimum_firmware", true, to.minimum_firmware));
  TRY(reader.bits("guest_policy", to.guest_policy, [&to](PolicyReader& bits) {
    return read_firmware(bits, "minimum_abi", false, to.minimum_abi);
  }));
  TRY(reader.bits("platform", to.platform));
  TRY(reader.blobs("id_key_digests", 48, to.id_keys));
  TRY(reader.blobs("author_key_digests", 48, to.author_keys));
  TRY(reader.object("mitigations", [&to](PolicyReader& vectors) -> Result<void> {
    TRY(vectors.mask("launch", to.launch_mitigations));
    TRY(vectors.mask("current", to.current_mitigations));
    return {};
  }));
  TRY(reader.boolean("require_revocation_list", to.require_revocation_list));
  return reader.object("roots", [&to](PolicyReader& roots) -> Result<void> {
    for (auto [name, product] : kProductNames) {
      std::vector<std::string> hashes;
      TRY(roots.texts(name, hashes));
      TRY(check_key_hashes(roots.path_of(name), hashes));
      if (TRY(roots.member(name))) to.roots[product] = hashes;
    }
    return {};
  });
}

Result<void> read_tdx(PolicyReader& reader, TdxDemands& to) {
  TRY(reader.texts("tcb_statuses", to.tcb_statuses));
  TRY(reader.bits("attributes", to.attributes));
  TRY(reader.boolean("allow_unknown_fields", to.accept_unknown_fields));
  TRY(reader.object("xfam", [&to](PolicyReader& xfam) -> Result<void> {
    TRY(xfam.mask("required", to.xfam_required));
    TRY(xfam.mask("allowed", to.xfam_allowed));
    return {};
  }));
  TRY(reader.blobs("mr_seam", 48, to.mr_seam));
  TRY(reader.blobs("mr_config_id", 48, to.mr_config_id));
  TRY(reader.blobs("mr_owner", 48, to.mr_owner));
  TRY(reader.blobs("mr_owner_config", 48, to.mr_owner_config));
  for (size_t i = 0; i < to.rtmrs.size(); ++i)
    TRY(reader.blobs("rtmr_" + std::to_string(i), 48, to.rtmrs[i]));
  TRY(reader.number("minimum_evaluation_number", to.minimum_evaluation_number));
  TRY(reader.boolean("require_event_log", to.require_event_log));
  TRY(reader.texts("roots", to.roots));
  return check_key_hashes(reader.path_of("roots"), to.roots);
}

Result<void> read_json_part(const std::string& text, Demands& to) {
  if (text.size() > kMaxPolicyJson)
    return bad_policy("the text", fmt::format("{} bytes, at most {}", text.size(), kMaxPolicyJson));
  auto parsed = parse_json(text, "evidence policy");
  if (!parsed.ok()) return bad_policy("the text", parsed.error().message);
  PolicyReader reader(*parsed, "");
  uint64_t version = 0;
  TRY(reader.number("version", version));
  if (version != 1) return bad_policy("version", "is not 1, the only one that is known");
  TRY(reader.member("$schema"));  // editors want it
  TRY(reader.boolean("allow_simulated", to.allow_simulated));
  std::vector<Bytes> measurements;
  TRY(reader.blobs("measurements", 48, measurements));
  if (!measurements.empty()) to.measurements.push_back(std::move(measurements));
  TRY(reader.blob("host_data", 32, to.host_data));
  TRY(reader.blob("report_data", 64, to.report_data));
  TRY(reader.object("snp", [&to](PolicyReader& snp) { return read_snp(snp, to.snp); }));
  TRY(reader.object("tdx", [&to](PolicyReader& tdx) { return read_tdx(tdx, to.tdx); }));
  return reader.finish();
}

void allow_debugging(std::vector<BitRule>& rules) {
  for (BitRule& rule : rules) {
    if (rule.name == "debug") rule.demand = BitDemand::any;
  }
}

}  // namespace

Result<Demands> read_policy(const EvidencePolicy& policy) {
  Demands demands;
  demands.snp.guest_policy = guest_policy_rules();
  demands.snp.platform = platform_rules();
  demands.tdx.attributes = td_attribute_rules();
  if (!policy.json.empty()) TRY(read_json_part(policy.json, demands));
  demands.allow_simulated = demands.allow_simulated || policy.allow_simulated;
  if (policy.allow_debug) {
    allow_debugging(demands.snp.guest_policy);
    allow_debugging(demands.tdx.attributes);
  }
  if (!policy.measurements.empty()) demands.measurements.push_back(policy.measurements);
  if (!policy.host_data.empty()) demands.host_data.push_back(policy.host_data);
  if (!policy.report_data.empty()) demands.report_data.push_back(policy.report_data);
  demands.raw_minimum_tcb = policy.minimum_tcb;
  demands.now = policy.now ? policy.now : std::time(nullptr);
  return demands;
}

}  // namespace bartizan::attest::verify
