#include "image/oci/image_manifest.hpp"

#include "base/errors.hpp"

namespace bartizan::image::oci {
namespace {

constexpr char kOrigin[] = "image/oci";
// Docker allows 127. More layers, or images in an index, come from somebody who wants us busy
// before the first byte.
constexpr size_t kMaxLayers = 1024;
constexpr size_t kMaxImages = 4096;

Result<std::vector<Descriptor>> parse_list(const Json& json, std::string_view key, size_t most,
                                           std::string_view what) {
  const Json* list = TRY(json_member(json, key, what));
  if (!list->is_array()) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: {}: not a list", what, key);
  }
  if (list->size() > most) {
    return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: {} {}, the limit is {}", what,
                      list->size(), key, most);
  }
  std::vector<Descriptor> descriptors;
  for (const Json& item : *list) descriptors.push_back(TRY(parse_descriptor(item, what)));
  return descriptors;
}

bool is_layer(const Descriptor& descriptor) {
  auto kind = media_kind(descriptor.media_type);
  return kind == MediaKind::layer_tar || kind == MediaKind::layer_gzip ||
         kind == MediaKind::layer_zstd;
}

}  // namespace

Error unknown_media_type(const Descriptor& descriptor, std::string_view role) {
  return make_error(ErrorCode::unsupported, kOrigin, "{} {}: media type \"{}\"", role,
                    descriptor.digest, descriptor.media_type.substr(0, 150));
}

Result<ImageManifest> parse_image_manifest(std::string_view text, std::string_view what) {
  Json json = TRY(parse_json(text, what));
  ImageManifest manifest;
  manifest.config = TRY(parse_descriptor(*TRY(json_member(json, "config", what)), what));
  if (media_kind(manifest.config.media_type) != MediaKind::config) {
    return unknown_media_type(manifest.config, "config");
  }
  manifest.annotations = TRY(parse_annotations(json, what));
  manifest.layers = TRY(parse_list(json, "layers", kMaxLayers, what));
  for (const Descriptor& layer : manifest.layers) {
    if (!is_layer(layer)) return unknown_media_type(layer, "layer");
  }
  return manifest;
}

Result<std::vector<Descriptor>> parse_image_index(std::string_view text, std::string_view what) {
  return parse_list(TRY(parse_json(text, what)), "manifests", kMaxImages, what);
}

}  // namespace bartizan::image::oci
