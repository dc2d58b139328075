// Reads an OCI image layout, folder or archive (image-spec image-layout.md): index, manifest,
// configuration. Layers are described, not opened.
#pragma once

#include <filesystem>
#include <vector>

#include "base/bytes.hpp"
#include "image/oci/descriptor.hpp"
#include "image/oci/layout.hpp"
#include "image/tar/path.hpp"

namespace bartizan::image::oci {

// Ends a sentence about an image for another platform.
inline constexpr std::string_view kOtherPlatformAdvice =
    "fetch the one for it: skopeo copy --override-arch amd64 docker://NAME oci:FOLDER, podman pull "
    "--arch amd64 NAME";

// A file that is in no layer, of root, on top of all.
struct AddedFile {
  tar::Path path;
  uint32_t mode = 0;  // permission bits
  Bytes content;
};

struct SourceImage {
  Descriptor manifest;
  Annotations annotations;            // of the manifest
  Bytes config;                       // exact bytes of the image configuration, checked to be JSON
  std::vector<Descriptor> layers;     // lowest first; each of a media type that we know
  std::vector<AddedFile> added = {};  // by a build

  // The manifest's digest, and if files were added, a digest of it and of them: equal for equal
  // content alone.
  std::string content_digest() const;
};

// `reference`: a tag of the index, or empty for the only image. In nested indexes the image for
// linux/amd64 is taken. Errors: not_found (folder, reference, blob), corrupt, unsupported (media
// type, platform), invalid_argument (reference is needed to choose).
Result<SourceImage> read_layout(const Layout& layout, const std::string& reference);

// The tags in its index, as the one above lists them, and the first image.
struct FirstOfSeveral {
  size_t images = 0;
  std::string tags;
  SourceImage first;
};
Result<FirstOfSeveral> read_first(const Layout& layout);

}  // namespace bartizan::image::oci
