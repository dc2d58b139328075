#include "image/builder/publication.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/timestamp.hpp"

namespace bartizan::image::builder {
namespace {

constexpr char kOrigin[] = "image/builder";
constexpr std::string_view kOci = "org.opencontainers.image.";
constexpr std::string_view kOurs = "org.bartizan.";
// Of a base's configuration what the container of the VM can use. Not the user, who could not read
// /disk.img; not volumes, which would be mounted over our files; not a command or a health check of
// programs that the entry point does not start.
constexpr std::array<const char*, 5> kKept = {"Env", "ExposedPorts", "Labels", "StopSignal",
                                              "WorkingDir"};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
}

// An object in an object; null if there is none.
const Json* object_in(const Json& json, const char* key) {
  auto found = json.is_object() ? json.find(key) : json.end();
  return found == json.end() || !found->is_object() ? nullptr : &*found;
}

Json config_of(const oci::SourceImage& image) {
  auto json = parse_json(as_text(image.config), "config");
  return json.ok() ? *std::move(json) : Json();  // it was parsed when it was read
}

oci::Annotations labels_of(const Json& config) {
  oci::Annotations labels;
  const Json* inner = object_in(config, "config");
  const Json* found = inner == nullptr ? nullptr : object_in(*inner, "Labels");
  if (found == nullptr) return labels;
  for (const auto& [key, value] : found->items()) {
    if (value.is_string() && is_ascii(key)) labels[key] = value.get<std::string>();
  }
  return labels;
}

bool is_about_base(std::string_view key) {
  return key.starts_with("org.opencontainers.image.base.");
}

// What people wrote about the source is true of the output too, but for what it was made from.
void carry_over(const oci::SourceImage& source, oci::Annotations& facts) {
  for (const auto& [key, value] : labels_of(config_of(source))) {
    if (key.starts_with(kOci) && !is_about_base(key)) facts[key] = value;
  }
  for (const auto& [key, value] : source.annotations) {
    if (!is_about_base(key)) facts[key] = value;
  }
}

oci::Annotations facts_of(const PublicFacts& facts) {
  oci::Annotations all;
  if (facts.source != nullptr) {
    carry_over(*facts.source, all);
    all[std::string(kOurs) + "source.digest"] = facts.source->manifest.digest;
  }
  all.try_emplace(std::string(kOci) + "title", facts.workload_id);
  all[std::string(kOci) + "created"] = facts.created;
  all[std::string(kOurs) + "workload.id"] = facts.workload_id;
  all[std::string(kOurs) + "workload.digest"] = "sha256:" + facts.workload_digest;
  if (facts.base != nullptr) {
    all[std::string(kOci) + "base.digest"] = facts.base->manifest.digest;
    if (!facts.base_name.empty()) all[std::string(kOci) + "base.name"] = facts.base_name;
  }
  return all;
}

bool has_form(std::string_view text, std::string_view form) {  // '0' in `form`: any digit
  return text.size() == form.size() &&
         std::equal(text.begin(), text.end(), form.begin(),
                    [](char c, char f) { return f == '0' ? c >= '0' && c <= '9' : c == f; });
}

// RFC 3339 §5.6, as OCI's tools write it.
bool is_rfc3339(std::string_view text) {
  constexpr std::string_view kSeconds = "0000-00-00T00:00:00";
  if (!has_form(text.substr(0, kSeconds.size()), kSeconds)) return false;
  std::string_view rest = text.substr(kSeconds.size());
  if (rest.starts_with('.')) {
    size_t end = rest.find_first_not_of("0123456789", 1);
    if (end == 1 || end == std::string_view::npos || end > 10) return false;
    rest = rest.substr(end);
  }
  return rest == "Z" || has_form(rest, "+00:00") || has_form(rest, "-00:00");
}

// One entry of a base's history, of members and types that we know. Always with a time: umoci stat
// reads one without looking.
Json copy_history(const Json& entry, const std::string& otherwise) {
  Json copy = Json::object();
  for (const char* key : {"created", "created_by", "author", "comment"}) {
    if (entry.contains(key) && entry[key].is_string()) copy[key] = entry[key];
  }
  if (!copy.contains("created") || !is_rfc3339(copy["created"].get<std::string>()))
    copy["created"] = otherwise;
  if (entry.contains("empty_layer") && entry["empty_layer"] == true) copy["empty_layer"] = true;
  return copy;
}

// As many entries with a layer as there are layers: readers count on it.
Result<Json> base_history(const Json& config, size_t layers, const std::string& created) {
  Json history = Json::array();
  size_t count = 0;
  auto found = config.find("history");
  if (found != config.end() && found->is_array()) {
    for (const Json& entry : *found) {
      history.push_back(copy_history(entry.is_object() ? entry : Json::object(), created));
      count += !history.back().contains("empty_layer");
    }
  }
  if (count > layers) {
    return make_error(ErrorCode::corrupt, kOrigin,
                      "base image: its history lists {} layers, it has {}", count, layers);
  }
  for (; count < layers; ++count)
    history.push_back({{"created", created},
                       {"comment", "layer of the base image, without a history of its own"}});
  return history;
}

Result<void> check_published_platform(const Json& config) {
  const std::string what = "base image: config";
  std::string os = TRY(json_string(config, "os", what));
  std::string architecture = TRY(json_string(config, "architecture", what));
  if (os == "linux" && architecture == "amd64") return {};
  return make_error(ErrorCode::unsupported, kOrigin, "base image: it is for {}/{}, not linux/amd64",
                    os.substr(0, 40), architecture.substr(0, 40));
}

Result<Json> base_diff_ids(const Json& config, size_t layers) {
  const std::string what = "base image: config";
  const Json* ids = TRY(json_member(*TRY(json_member(config, "rootfs", what)), "diff_ids", what));
  if (!ids->is_array() || ids->size() != layers) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: diff_ids are not one for each layer", what);
  }
  for (const Json& id : *ids) {
    if (!id.is_string())
      return make_error(ErrorCode::corrupt, kOrigin, "{}: diff_ids: not strings", what);
    TRY(oci::parse_digest(id.get<std::string>(), what));
  }
  return *ids;
}

// Its labels that are about it, and not about any image on it, go.
Json base_process(const Json& config) {
  Json kept = Json::object();
  const Json* inner = object_in(config, "config");
  if (inner == nullptr) return kept;
  for (const char* key : kKept) {
    auto found = inner->find(key);
    if (found != inner->end() && !found->is_null()) kept[key] = *found;
  }
  kept.erase("Labels");
  for (const auto& [key, value] : labels_of(config)) {
    if (!key.starts_with(kOci)) kept["Labels"][key] = value;
  }
  return kept;
}

struct FromBase {
  Json process = Json::object(), diff_ids = Json::array(), history = Json::array();
};

Result<FromBase> read_base(const oci::SourceImage& base) {
  Json config = config_of(base);
  TRY(check_published_platform(config));
  FromBase from;
  from.process = base_process(config);
  from.diff_ids = TRY(base_diff_ids(config, base.layers.size()));
  std::string created = created_of(base);
  from.history =
      TRY(base_history(config, base.layers.size(), created.empty() ? rfc3339(0) : created));
  return from;
}

}  // namespace

Result<Publication> publication_of(const PublicFacts& facts) {
  FromBase base;
  if (facts.base != nullptr) base = TRY(read_base(*facts.base));
  Publication made;
  made.annotations = facts_of(facts);
  for (const auto& [key, value] : made.annotations) {
    if (key.starts_with(kOci) || key.starts_with(kOurs)) base.process["Labels"][key] = value;
  }
  base.process["Entrypoint"] = {"/entrypoint"};
  base.diff_ids.push_back(facts.layer_digest);
  base.history.push_back({{"created", facts.created},
                          {"created_by", "bartizan build"},
                          {"comment", "confidential workload " + facts.workload_id}});
  made.config = {{"architecture", "amd64"},
                 {"os", "linux"},
                 {"created", facts.created},
                 {"config", std::move(base.process)},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(base.diff_ids)}}},
                 {"history", std::move(base.history)}};
  return made;
}

std::string created_of(const oci::SourceImage& image) {
  Json config = config_of(image);
  auto found = config.is_object() ? config.find("created") : config.end();
  if (found == config.end() || !found->is_string()) return {};
  std::string text = found->get<std::string>();
  return is_rfc3339(text) ? text : std::string();
}

std::string public_name(std::string_view source) {
  for (std::string_view transport : {"docker://", "containers-storage:"}) {
    if (!source.starts_with(transport)) continue;
    std::string_view name = source.substr(transport.size());
    return name.starts_with('[') ? std::string() : std::string(name);
  }
  return {};
}

}  // namespace bartizan::image::builder
