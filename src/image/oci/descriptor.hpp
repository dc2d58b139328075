// Descriptors and media types of the OCI image specification (image-spec descriptor.md,
// media-types.md).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::oci {

using Annotations = std::map<std::string, std::string>;

struct Descriptor {
  std::string media_type;
  std::string
      digest;  // checked: "sha256:" or "sha512:" and lower-case hex, so it is safe in a path
  uint64_t size = 0;
  Annotations annotations;
  std::string os, architecture;  // of `platform`; empty if absent
};

Result<Descriptor> parse_descriptor(const Json& json, std::string_view what);
Result<Annotations> parse_annotations(const Json& holder, std::string_view what);

struct DigestParts {
  crypto::HashKind kind;
  std::string folder, hex;  // "sha256", "…"
};
Result<DigestParts> parse_digest(std::string_view digest, std::string_view what);

enum class MediaKind { index, manifest, config, layer_tar, layer_gzip, layer_zstd };
std::optional<MediaKind> media_kind(std::string_view media_type);

constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view kLayerType = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";

}  // namespace bartizan::image::oci
