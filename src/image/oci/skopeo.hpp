// Sources and outputs that are not an OCI layout: archives and the transports of skopeo
// ("docker://…", "containers-storage:…"), brought into or out of a temporary layout by skopeo, which
// must be installed.
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

// Whether `output` is a place that push() copies to: a transport's name, but not OCI's own.
bool needs_push(const std::filesystem::path& output);

// Copies the image `reference` of a layout. Errors: unsupported, io, cancelled, as of fetch().
Result<void> push(const std::filesystem::path& layout, const std::string& reference,
                  const std::filesystem::path& output, const ProgressSink& progress);

}  // namespace bartizan::image::oci
