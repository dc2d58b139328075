// The JSON documents of an image layout, from text to values. Pure.
#pragma once

#include <vector>

#include "base/units.hpp"
#include "image/oci/descriptor.hpp"

namespace bartizan::image::oci {

// What registries accept as a manifest is 4 MiB; a larger document wants our memory.
constexpr uint64_t kMaxOciJsonBytes = 4 * kMiB;

struct ImageManifest {
  Descriptor config;
  Annotations annotations;
  std::vector<Descriptor> layers;  // lowest first
};

// Errors of both: corrupt, unsupported (media type of config or layer), resource_exhausted (number
// of layers). `what` names the document.
Result<ImageManifest> parse_image_manifest(std::string_view text, std::string_view what);
Result<std::vector<Descriptor>> parse_image_index(std::string_view text, std::string_view what);

Error unknown_media_type(const Descriptor& descriptor, std::string_view role);

}  // namespace bartizan::image::oci
