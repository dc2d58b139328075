// How a caller names an image on disk: "oci-archive:FILE" and "oci:FOLDER", as skopeo writes them,
// or a path, of which a name in ".tar" means an archive.
#pragma once

#include <filesystem>

#include "bartizan/result.hpp"

namespace bartizan::image::oci {

struct ImageName {
  std::filesystem::path path;
  bool archive = false;
};

// Of an output. invalid_argument: a tag behind the path, which has an option of its own.
Result<ImageName> parse_output_name(const std::filesystem::path& name);

// Of what is there: the path alone; folder or archive is seen by looking.
std::filesystem::path path_of_image(const std::filesystem::path& name);

}  // namespace bartizan::image::oci
