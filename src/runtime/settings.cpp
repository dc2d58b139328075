#include "runtime/settings.hpp"

#include <functional>
#include <map>

#include "base/endpoint.hpp"
#include "base/environment.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";
constexpr char kSettingsPath[] = "/etc/bartizan/runtime.json";
constexpr std::string_view kPrefix = "org.bartizan.";
// Carried over from the image by engines that take its annotations; they say what it is.
constexpr std::string_view kOfImages[] = {"org.bartizan.source.digest", "org.bartizan.workload.id",
                                          "org.bartizan.workload.digest"};

using Setter = std::function<Result<void>(const std::string& value, Wishes& to)>;

Result<void> set_tee(const std::string& value, Wishes& to) {
  to.tee = TRY(tee_from_string(value));
  return {};
}

Result<void> set_path(const std::string& value, std::filesystem::path& to) {
  to = value;
  if (to.is_absolute()) return {};
  return invalid(kOrigin, "\"{}\" is not an absolute path of this host", value);
}

Result<void> set_log(const std::string& value, Wishes& to) {
  to.log_guest = value == "guest";
  if (to.log_guest) return {};
  return invalid(kOrigin, "\"{}\": only \"guest\" is possible", value);
}

Result<void> set_allow(const std::string& value, Wishes& to) {
  for (size_t at = 0; at <= value.size();) {
    const size_t comma = std::min(value.find(',', at), value.size());
    to.allow.push_back(value.substr(at, comma - at));
    at = comma + 1;
  }
  return {};
}

Result<void> set_broker(const std::string& value, Wishes& to) {
  to.broker = TRY(Endpoint::parse(value)).url;
  return {};
}

const std::map<std::string, Setter, std::less<>>& setters() {
  static const std::map<std::string, Setter, std::less<>> kSetters = {
      {"tee", set_tee},
      {"broker", set_broker},
      {"bundle", [](const auto& value, Wishes& to) { return set_path(value, to.bundle); }},
      {"key-file", [](const auto& value, Wishes& to) { return set_path(value, to.key_file); }},
      {"allow", set_allow},
      {"log", set_log},
  };
  return kSetters;
}

std::string known_annotations() {
  std::string names;
  for (const auto& [name, setter] : setters()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

bool is_of_images(std::string_view name) {
  return std::ranges::find(kOfImages, name) != std::end(kOfImages);
}

Result<void> take_annotation(const std::string& name, const Json& value, const Settings& settings,
                             Wishes& to) {
  const std::string word = name.substr(kPrefix.size());
  auto setter = setters().find(word);
  if (setter == setters().end())
    return invalid(kOrigin, "annotation {}: not known; there are {}", name, known_annotations());
  if (!settings.annotations.contains(word))
    return make_error(
        ErrorCode::permission_denied, kOrigin,
        "annotation {}: not allowed on this host: add \"{}\" to \"annotations\" in {}", name, word,
        kSettingsPath);
  if (!value.is_string()) return invalid(kOrigin, "annotation {}: not a text", name);
  auto taken = setter->second(value.get<std::string>(), to);
  if (!taken.ok()) return invalid(kOrigin, "annotation {}: {}", name, taken.error().message);
  return {};
}

Result<void> take_names(const Json& value, const std::string& what, std::set<std::string>& to) {
  to.clear();
  for (const Json& name : value) {
    if (!name.is_string() || !setters().contains(name.get<std::string>()))
      return make_error(ErrorCode::corrupt, kOrigin, "{}: annotations: {}: there are {}", what,
                        name.dump(), known_annotations());
    to.insert(name.get<std::string>());
  }
  return {};
}

Result<void> take_tee(const std::string& value, const std::string& what, Settings& to) {
  auto tee = tee_from_string(value);
  if (!tee.ok())
    return make_error(ErrorCode::corrupt, kOrigin, "{}: tee: {}", what, tee.error().message);
  to.tee = *tee;
  return {};
}

Result<void> take_setting(const std::string& key, const Json& json, const std::string& what,
                          Settings& to) {
  if (key == "annotations" && json.at(key).is_array())
    return take_names(json.at(key), what, to.annotations);
  const std::string value = TRY(json_string(json, key, what));
  if (key == "oci_runtime")
    to.oci_runtime = value;
  else if (key == "bundle")
    to.bundle = value;
  else if (key == "tee")
    return take_tee(value, what, to);
  else
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {}: no such setting", what, key);
  return {};
}

}  // namespace

Result<Settings> parse_settings(std::string_view text, const std::string& what) {
  const Json json = TRY(parse_json(text, what));
  if (!json.is_object()) return make_error(ErrorCode::corrupt, kOrigin, "{}: not an object", what);
  Settings settings;
  for (const auto& [key, value] : json.items()) TRY(take_setting(key, json, what, settings));
  return settings;
}

std::filesystem::path settings_path(const std::string& given) {
  if (!given.empty()) return given;
  return environment("BARTIZAN_RUNTIME_CONFIG").value_or(kSettingsPath);
}

Result<Settings> read_settings(const std::string& given) {
  const std::filesystem::path path = settings_path(given);
  const std::string what = "configuration " + path.string();
  auto text = read_regular_file(path, kMaxSettingsBytes);
  const bool missing = !text.ok() && text.error().code == ErrorCode::not_found;
  if (missing && path == kSettingsPath) return Settings{};
  if (missing)
    return make_error(ErrorCode::not_found, kOrigin, "{}: no such file: write it, or leave {} out",
                      what, given.empty() ? "$BARTIZAN_RUNTIME_CONFIG" : "--config");
  const Bytes bytes = TRY(std::move(text));
  return parse_settings(as_text(bytes), what);
}

Result<Wishes> parse_wishes(const Json& config, const Settings& settings) {
  Wishes wishes;
  auto annotations = config.find("annotations");
  if (annotations == config.end() || !annotations->is_object()) return wishes;
  for (const auto& [name, value] : annotations->items()) {
    if (name.starts_with(kPrefix) && !is_of_images(name))
      TRY(take_annotation(name, value, settings, wishes));
  }
  return wishes;
}

}  // namespace bartizan::runtime
