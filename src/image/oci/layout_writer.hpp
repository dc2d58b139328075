// Writes an OCI image layout folder with one image. No clock: the same content makes the same
// bytes.
#pragma once

#include <filesystem>

#include "image/oci/descriptor.hpp"

namespace bartizan::image {

class LayoutWriter {
 public:
  // Makes what a layout has in it in `folder`. already_exists if that is there.
  static Result<LayoutWriter> create(const std::filesystem::path& folder);

  // A small blob from memory.
  Result<Descriptor> add_blob(std::string_view media_type, std::string_view content);
  // A blob that a caller wrote into this folder at `file` and hashed: moved to its place.
  Result<Descriptor> adopt_blob(std::string_view media_type, const std::filesystem::path& file,
                                const std::string& hex, uint64_t size);
  // Configuration, manifest and index over one plain layer; returns the manifest's descriptor.
  Result<Descriptor> finish(const Descriptor& layer, const Annotations& annotations,
                            const std::string& reference);

 private:
  explicit LayoutWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

}  // namespace bartizan::image
