// Files of this machine that a build puts on top of the source's layers, given as "SOURCE:PATH".
#pragma once

#include <string>
#include <vector>

#include "base/units.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image::builder {

// Configurations and certificates, which are read into memory; more belongs in a layer.
constexpr uint64_t kMaxAddedBytes = 64 * kMiB;

// With the permission bits of their sources, of root. invalid_argument: not of that form, PATH not
// absolute, the root folder, a file of ours or given twice, SOURCE no regular file;
// resource_exhausted: more than kMaxAddedBytes in all; errors of reading.
Result<std::vector<oci::AddedFile>> read_added_files(const std::vector<std::string>& given);

}  // namespace bartizan::image::builder
