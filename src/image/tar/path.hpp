// Paths as layers write them: always relative to the root of the file system, whatever they begin
// with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan::image::tar {

using Path = std::vector<std::string>;

// "./a//b/" and "/a/b" are {a, b}; "" and "." are {}. corrupt: a ".." (a path that means to leave
// the root), a zero byte, a name of more than 255 bytes (the last may
// be ".wh." and so many). resource_exhausted: too deep. `what` names
// the layer in errors.
Result<Path> split_path(std::string_view path, std::string_view what);

// The same for the target of a symbolic link, in which ".." is valid; `absolute`: where it
// starts.
struct LinkTarget {
  bool absolute = false;
  Path parts;  // may hold ".."
};
LinkTarget split_target(std::string_view target);

std::string join_path(const Path& path);

}  // namespace bartizan::image::tar
