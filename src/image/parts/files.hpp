// The files of a confidential image, as its one layer names them.
#pragma once

#include <string_view>

namespace bartizan::image::parts {

constexpr std::string_view kEntrypointFile = "entrypoint", kKrunFile = "krun-sev.json",
                           kManifestFile = "bartizan.json", kDiskFile = "disk.img",
                           kStatementFile = "bartizan.jws";

}  // namespace bartizan::image::parts
