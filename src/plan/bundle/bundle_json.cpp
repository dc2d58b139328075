#include "plan/bundle/bundle_json.hpp"

#include "base/errors.hpp"
#include "base/json.hpp"
#include "plan/boot/command_line.hpp"

namespace bartizan::plan::bundle {
namespace {

constexpr const char* kWhat = "bundle.json";
constexpr size_t kMembers = 6;

Result<std::string> digest_member(const Json& object, std::string_view key) {
  auto text = TRY(json_string(object, key, kWhat));
  bool hex = text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
  if (!hex)
    return make_error(ErrorCode::corrupt, "bundle", "{}: {}: not a SHA-256 in hex", kWhat, key);
  return text;
}

Result<void> check_version(const Json& object) {
  auto version = TRY(json_unsigned(object, "version", kWhat));
  if (version == kBundleVersion) return {};
  return make_error(ErrorCode::unsupported, "bundle",
                    "{}: version {}, this library knows version {}; make the bundle again: "
                    "\"bartizan bundle create\"",
                    kWhat, version, kBundleVersion);
}

// In order and each once, so that one list has one text.
Result<std::vector<Tee>> tees_member(const Json& object) {
  const auto wrong = [](std::string_view why) {
    return make_error(ErrorCode::corrupt, "bundle", "{}: tees: {}", kWhat, why);
  };
  const Json* list = TRY(json_member(object, "tees", kWhat));
  if (!list->is_array() || list->empty()) return wrong("not a list of names");
  std::vector<Tee> tees;
  for (const Json& name : *list) {
    auto tee = tee_from_string(name.is_string() ? name.get_ref<const std::string&>() : "");
    if (!tee.ok()) return wrong(tee.error().message);
    if (!tees.empty() && *tee <= tees.back()) return wrong("not in order, or a name twice");
    tees.push_back(*tee);
  }
  return tees;
}

Json names_in_json(const std::vector<Tee>& tees) {
  Json list = Json::array();
  for (Tee tee : tees) list.push_back(to_string(tee));
  return list;
}

}  // namespace

Result<BundleInfo> parse_bundle_json(std::string_view text) {
  if (text.size() > kMaxBundleJson) {
    return make_error(ErrorCode::corrupt, "bundle", "{}: {} bytes", kWhat, text.size());
  }
  auto object = TRY(parse_json(text, kWhat));
  TRY(check_version(object));
  BundleInfo info;
  info.kernel_release = TRY(json_string(object, "kernel_release", kWhat));
  info.kernel_sha256 = TRY(digest_member(object, "kernel_sha256"));
  info.initrd_sha256 = TRY(digest_member(object, "initrd_sha256"));
  info.command_line = TRY(json_string(object, "command_line", kWhat));
  info.tees = TRY(tees_member(object));
  if (object.size() != kMembers) {
    return make_error(ErrorCode::corrupt, "bundle", "{}: {} members, {} are known", kWhat,
                      object.size(), kMembers);
  }
  std::string_view parts[] = {info.command_line};
  auto line = boot::join_command_line(parts);
  if (!line.ok())
    return make_error(ErrorCode::corrupt, "bundle", "{}: {}", kWhat, line.error().message);
  return info;
}

Result<std::string> bundle_json(const BundleInfo& info) {
  return canonical_json(Json{{"version", kBundleVersion},
                             {"kernel_release", info.kernel_release},
                             {"kernel_sha256", info.kernel_sha256},
                             {"initrd_sha256", info.initrd_sha256},
                             {"command_line", info.command_line},
                             {"tees", names_in_json(info.tees)}});
}

}  // namespace bartizan::plan::bundle
