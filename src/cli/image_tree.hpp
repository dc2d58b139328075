// What `bartizan inspect` shows a person: a tree of the image's parts, then what its host learns
// and what not.
#pragma once

#include <string>
#include <vector>

#include "bartizan/image.hpp"

namespace bartizan::cli {

// `name`: the image as the user called it. No line breaks and no control characters in any line:
// much of it comes from a file that anybody may have written.
std::vector<std::string> image_tree(const ImageInfo& info, const std::string& name);

}  // namespace bartizan::cli
