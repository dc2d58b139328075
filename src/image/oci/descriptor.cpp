#include "image/oci/descriptor.hpp"

#include <array>

#include "base/errors.hpp"

namespace bartizan::image::oci {
namespace {

struct KnownType {
  std::string_view name;
  MediaKind kind;
};
constexpr std::array kKnownTypes = {
    KnownType{kIndexType, MediaKind::index},
    KnownType{"application/vnd.docker.distribution.manifest.list.v2+json", MediaKind::index},
    KnownType{kManifestType, MediaKind::manifest},
    KnownType{"application/vnd.docker.distribution.manifest.v2+json", MediaKind::manifest},
    KnownType{kConfigType, MediaKind::config},
    KnownType{"application/vnd.docker.container.image.v1+json", MediaKind::config},
    KnownType{kLayerType, MediaKind::layer_tar},
    KnownType{"application/vnd.oci.image.layer.v1.tar+gzip", MediaKind::layer_gzip},
    KnownType{"application/vnd.oci.image.layer.v1.tar+zstd", MediaKind::layer_zstd},
    KnownType{"application/vnd.docker.image.rootfs.diff.tar", MediaKind::layer_tar},
    KnownType{"application/vnd.docker.image.rootfs.diff.tar.gzip", MediaKind::layer_gzip},
    KnownType{"application/vnd.docker.image.rootfs.diff.tar.zstd", MediaKind::layer_zstd},
};

}  // namespace

std::optional<MediaKind> media_kind(std::string_view media_type) {
  for (const KnownType& known : kKnownTypes) {
    if (known.name == media_type) return known.kind;
  }
  return std::nullopt;
}

Result<DigestParts> parse_digest(std::string_view digest, std::string_view what) {
  for (auto [name, kind, length] : {std::tuple{"sha256", crypto::HashKind::sha256, 64},
                                    std::tuple{"sha512", crypto::HashKind::sha512, 128}}) {
    std::string prefix = std::string(name) + ":";
    if (!digest.starts_with(prefix)) continue;
    std::string_view hex = digest.substr(prefix.size());
    if (hex.size() == static_cast<size_t>(length) &&
        hex.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
      return DigestParts{kind, name, std::string(hex)};
    }
  }
  return make_error(ErrorCode::corrupt, "image/oci", "{}: \"{}\" is not a sha256 or sha512 digest",
                    what, digest.substr(0, 150));
}

Result<Annotations> parse_annotations(const Json& holder, std::string_view what) {
  Annotations annotations;
  auto found = holder.find("annotations");
  if (found == holder.end() || found->is_null()) return annotations;
  if (!found->is_object())
    return make_error(ErrorCode::corrupt, "image/oci", "{}: annotations: not an object", what);
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) {
      return make_error(ErrorCode::corrupt, "image/oci", "{}: annotation {}: not a string", what,
                        key);
    }
    annotations[key] = value.get<std::string>();
  }
  return annotations;
}

Result<Descriptor> parse_descriptor(const Json& json, std::string_view what) {
  Descriptor descriptor;
  descriptor.media_type = TRY(json_string(json, "mediaType", what));
  descriptor.digest = TRY(json_string(json, "digest", what));
  TRY(parse_digest(descriptor.digest, what));
  descriptor.size = TRY(json_unsigned(json, "size", what));
  descriptor.annotations = TRY(parse_annotations(json, what));
  if (json.contains("platform")) {
    const Json& platform = json["platform"];
    descriptor.os = TRY(json_string(platform, "os", what));
    descriptor.architecture = TRY(json_string(platform, "architecture", what));
  }
  return descriptor;
}

}  // namespace bartizan::image::oci
