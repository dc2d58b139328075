#include "image/tar/path.hpp"

#include "base/errors.hpp"

namespace bartizan::image::tar {
namespace {

// NAME_MAX, and the most that EROFS and the kernel's dentries hold
constexpr size_t kMaxName = 255;
// Deeper trees come from an attacker who wants our stack (trees are walked by recursion) or the
// guest's.
constexpr size_t kMaxDepth = 1024;

constexpr std::string_view kTooLong = "a name is longer than 255 bytes";
// A whiteout's last name is a mark and then the name that it hides.
constexpr std::string_view kMark = ".wh.";

// Calls `each` with every part that is neither empty nor ".".
template <typename Each>
Result<void> for_each_part(std::string_view path, Each each) {
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (!part.empty() && part != ".") TRY(each(part));
  }
  return {};
}

}  // namespace

Result<Path> split_path(std::string_view path, std::string_view what) {
  Path parts;
  auto corrupt = [&](std::string_view why) {
    return make_error(ErrorCode::corrupt, "image/tar", "{}: path \"{}\": {}", what,
                      path.substr(0, 200), why);
  };
  if (path.find('\0') != std::string_view::npos) return corrupt("holds a zero byte");
  TRY(for_each_part(path, [&](std::string_view part) -> Result<void> {
    if (part == "..") return corrupt("leaves the root by \"..\"");
    if (!parts.empty() && parts.back().size() > kMaxName) return corrupt(kTooLong);
    if (part.size() > (part.starts_with(kMark) ? kMaxName + kMark.size() : kMaxName))
      return corrupt(kTooLong);
    if (parts.size() == kMaxDepth) {
      return make_error(ErrorCode::resource_exhausted, "image/tar",
                        "{}: a path is deeper than the limit of {} folders", what, kMaxDepth);
    }
    parts.emplace_back(part);
    return {};
  }));
  return parts;
}

LinkTarget split_target(std::string_view target) {
  LinkTarget result{target.starts_with('/'), {}};
  (void)for_each_part(target, [&](std::string_view part) -> Result<void> {
    result.parts.emplace_back(part);
    return {};
  });
  return result;
}

std::string join_path(const Path& path) {
  std::string text;
  for (const std::string& part : path) {
    if (!text.empty()) text += '/';
    text += part;
  }
  return text;
}

}  // namespace bartizan::image::tar
