#include "image/oci/layout_reader.hpp"

#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/oci/blob.hpp"

namespace bartizan::image {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";

// What registries accept as a manifest is 4 MiB; a larger one wants our memory. Docker allows 127
// layers.
constexpr uint64_t kMaxJsonBytes = 4 << 20;
constexpr size_t kMaxLayers = 1024;
constexpr int kMaxIndexDepth = 4;  // indexes of indexes of …

std::string name_of(const fs::path& layout, std::string_view file) {
  return (layout / file).string();
}

Result<Json> read_top_file(const fs::path& layout, const char* file) {
  auto text = read_file(layout / file, kMaxJsonBytes);
  if (!text.ok() && text.error().code == ErrorCode::not_found) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout: {} is missing",
                      layout.string(), file);
  }
  Bytes bytes = TRY(std::move(text));
  return parse_json(as_text(bytes), name_of(layout, file));
}

Result<void> check_is_layout(const fs::path& layout) {
  std::error_code error;
  auto status = fs::status(layout, error);
  if (!fs::exists(status)) {
    if (error && error.value() != ENOENT)
      return errno_error(error.value(), kOrigin, fmt::format("{}: stat", layout.string()));
    return make_error(ErrorCode::not_found, kOrigin, "{}: no such folder", layout.string());
  }
  if (!fs::is_directory(status)) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout: not a folder",
                      layout.string());
  }
  Json json = TRY(read_top_file(layout, "oci-layout"));
  std::string version = TRY(json_string(json, "imageLayoutVersion", name_of(layout, "oci-layout")));
  if (version.starts_with("1.")) return {};
  return make_error(ErrorCode::unsupported, kOrigin, "{}: OCI layout version \"{}\"",
                    layout.string(), version.substr(0, 40));
}

Result<std::vector<Descriptor>> parse_list(const Json& json, std::string_view key,
                                           std::string_view what) {
  const Json* list = TRY(json_member(json, key, what));
  if (!list->is_array())
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {}: not a list", what, key);
  std::vector<Descriptor> descriptors;
  for (const Json& item : *list) descriptors.push_back(TRY(parse_descriptor(item, what)));
  return descriptors;
}

bool for_other_platform(const Descriptor& descriptor) {
  return !descriptor.os.empty() && (descriptor.os != "linux" || descriptor.architecture != "amd64");
}

Result<Descriptor> choose_by_tag(const std::vector<Descriptor>& all, const std::string& reference,
                                 const fs::path& layout) {
  std::vector<Descriptor> fitting;
  for (const Descriptor& descriptor : all) {
    auto name = descriptor.annotations.find(std::string(kRefName));
    bool named = name != descriptor.annotations.end() && name->second == reference;
    if ((reference.empty() || named) && !for_other_platform(descriptor))
      fitting.push_back(descriptor);
  }
  if (fitting.empty()) {
    return make_error(ErrorCode::not_found, kOrigin,
                      "{}: no image \"{}\" for linux/amd64 in its index", layout.string(),
                      reference);
  }
  if (fitting.size() > 1 && reference.empty()) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{}: {} images in its index: a reference is needed", layout.string(),
                      fitting.size());
  }
  return fitting.front();
}

Result<Descriptor> choose_by_platform(const std::vector<Descriptor>& all, std::string_view what) {
  for (const Descriptor& descriptor : all) {
    if (!for_other_platform(descriptor)) return descriptor;
  }
  return make_error(ErrorCode::unsupported, kOrigin, "{}: no image for linux/amd64", what);
}

Error unknown_media_type(const Descriptor& descriptor, std::string_view role) {
  return make_error(ErrorCode::unsupported, kOrigin, "{} {}: media type \"{}\"", role,
                    descriptor.digest, descriptor.media_type.substr(0, 150));
}

Result<Bytes> read_config(const fs::path& layout, const Json& manifest, const std::string& what) {
  Descriptor descriptor = TRY(parse_descriptor(*TRY(json_member(manifest, "config", what)), what));
  if (media_kind(descriptor.media_type) != MediaKind::config)
    return unknown_media_type(descriptor, "config");
  Bytes config = TRY(read_blob(layout, descriptor, kMaxJsonBytes));
  TRY(parse_json(as_text(config), "config " + descriptor.digest));
  return config;
}

Result<std::vector<Descriptor>> read_layers(const Json& manifest, const std::string& what) {
  auto layers = TRY(parse_list(manifest, "layers", what));
  if (layers.size() > kMaxLayers) {
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: {} layers, the limit is {}",
                      what, layers.size(), kMaxLayers);
  }
  for (const Descriptor& layer : layers) {
    auto kind = media_kind(layer.media_type);
    bool is_layer = kind == MediaKind::layer_tar || kind == MediaKind::layer_gzip ||
                    kind == MediaKind::layer_zstd;
    if (!is_layer) return unknown_media_type(layer, "layer");
  }
  return layers;
}

Result<SourceImage> read_image(const fs::path& layout, const Descriptor& descriptor, int depth) {
  auto kind = media_kind(descriptor.media_type);
  std::string what = "manifest " + descriptor.digest;
  if (kind != MediaKind::index && kind != MediaKind::manifest)
    return unknown_media_type(descriptor, "manifest");
  Bytes text = TRY(read_blob(layout, descriptor, kMaxJsonBytes));
  Json json = TRY(parse_json(as_text(text), what));
  if (kind == MediaKind::index) {
    if (depth == kMaxIndexDepth)
      return make_error(ErrorCode::corrupt, kOrigin, "{}: indexes nested too deeply", what);
    return read_image(
        layout, TRY(choose_by_platform(TRY(parse_list(json, "manifests", what)), what)), depth + 1);
  }
  SourceImage image;
  image.manifest = descriptor;
  image.annotations = TRY(parse_annotations(json, what));
  image.config = TRY(read_config(layout, json, what));
  image.layers = TRY(read_layers(json, what));
  return image;
}

}  // namespace

Result<SourceImage> read_layout(const fs::path& layout, const std::string& reference) {
  TRY(check_is_layout(layout));
  Json index = TRY(read_top_file(layout, "index.json"));
  auto images = TRY(parse_list(index, "manifests", name_of(layout, "index.json")));
  return read_image(layout, TRY(choose_by_tag(images, reference, layout)), 0);
}

}  // namespace bartizan::image
