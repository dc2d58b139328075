// Extended attributes in EROFS's inline form (Linux fs/erofs/erofs_fs.h, struct
// erofs_xattr_ibody_header and _entry).
#pragma once

#include <map>
#include <string>

#include "bartizan/result.hpp"

namespace bartizan::image::filesystem {

// Empty for none. Names outside the namespaces that a file system can store are left out, as they
// are when a layer is unpacked on Linux. resource_exhausted: more than a kernel would take. `what`
// names the file.
Result<std::string> encode_xattrs(const std::map<std::string, std::string>& xattrs,
                                  std::string_view what);

}  // namespace bartizan::image::filesystem
