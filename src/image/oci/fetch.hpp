// Sources that are not an OCI layout folder: archives and the transports of skopeo ("docker://…",
// "containers-storage:…"), brought into a temporary layout by skopeo, which must be installed.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/log.hpp"
#include "bartizan/result.hpp"

namespace bartizan::image::oci {

// Whether `source` needs fetch(): a regular file, or a transport's name and no folder.
bool needs_fetch(const std::filesystem::path& source);

// Makes the OCI layout `layout` (must not exist) of the image for linux/amd64. `reference`: for
// archives only, the image in it. Errors: unsupported (no skopeo), not_found (skopeo's word for
// it), io, cancelled; with skopeo's own last line.
Result<void> fetch(const std::filesystem::path& source, const std::string& reference,
                   const std::filesystem::path& layout, const ProgressSink& progress);

}  // namespace bartizan::image::oci
