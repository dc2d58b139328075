#include "image/filesystem/xattrs.hpp"

#include <array>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::image::filesystem {
namespace {

constexpr size_t kHeaderBytes = 12;  // of the whole body
// The VFS limits one value and one file's list of names to 64 KiB each (linux/limits.h); more than
// that in sum is an attacker's wish for metadata that no tool could have stored.
constexpr size_t kMaxBodyBytes = 64 * kKiB;
constexpr size_t kMaxName = 255;

struct Namespace {
  std::string_view prefix;
  uint8_t index;  // EROFS_XATTR_INDEX_*
};
constexpr std::array kNamespaces = {
    Namespace{"user.", 1},
    Namespace{"system.posix_acl_access", 2},
    Namespace{"system.posix_acl_default", 3},
    Namespace{"trusted.", 4},
    Namespace{"security.", 6},
};

const Namespace* find_namespace(std::string_view name) {
  for (const Namespace& candidate : kNamespaces) {
    bool whole = !candidate.prefix.ends_with('.');
    if (whole ? name == candidate.prefix
              : name.starts_with(candidate.prefix) && name.size() > candidate.prefix.size()) {
      return &candidate;
    }
  }
  return nullptr;
}

void append_entry(std::string& body, uint8_t index, std::string_view name, std::string_view value) {
  body += static_cast<char>(name.size());
  body += static_cast<char>(index);
  body += static_cast<char>(value.size() & 0xff);
  body += static_cast<char>(value.size() >> 8);
  body += name;
  body += value;
  body.resize((body.size() + 3) / 4 * 4);
}

}  // namespace

Result<std::string> encode_xattrs(const std::map<std::string, std::string>& xattrs,
                                  std::string_view what) {
  std::string body(kHeaderBytes, '\0');
  for (const auto& [name, value] : xattrs) {
    const Namespace* space = find_namespace(name);
    if (space == nullptr) continue;
    std::string_view rest = std::string_view(name).substr(space->prefix.size());
    if (rest.size() > kMaxName || body.size() + value.size() > kMaxBodyBytes) {
      return make_error(ErrorCode::resource_exhausted, "image/filesystem",
                        "{}: extended attribute \"{}\" is beyond what a file can hold", what,
                        name.substr(0, 100));
    }
    append_entry(body, space->index, rest, value);
  }
  if (body.size() == kHeaderBytes) return std::string();
  return body;
}

}  // namespace bartizan::image::filesystem
