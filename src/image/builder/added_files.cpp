#include "image/builder/added_files.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::image::builder {
namespace {

constexpr char kOrigin[] = "image/builder";
constexpr uint32_t kPermissions = 0777;

struct AddedName {
  std::string source;
  tar::Path path;
};

Result<AddedName> parse_added(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string place = colon == text.npos ? "" : text.substr(colon + 1);
  if (colon == 0 || !place.starts_with('/'))
    return invalid(kOrigin, "add_files \"{}\": not SOURCE:/PATH/IN/THE/IMAGE", text);
  auto path = tar::split_path(place, kOrigin);
  if (!path.ok() || path->empty() || place.ends_with('/'))
    return invalid(kOrigin, "add_files \"{}\": \"{}\" is not a name of a file", text, place);
  if ("/" + tar::join_path(*path) == guest_abi::kProcessConfigPath)
    return invalid(kOrigin, "add_files \"{}\": that file is written by the build", text);
  return AddedName{text.substr(0, colon), *std::move(path)};
}

Result<oci::AddedFile> read_one(const std::string& text, uint64_t space) {
  AddedName name = TRY(parse_added(text));
  struct stat status {};
  auto content = read_regular_file(name.source, space);
  if (!content.ok()) {
    Error error = std::move(content).error();
    error.message = fmt::format("add_files \"{}\": {}", text, error.message);
    return error;
  }
  if (::stat(name.source.c_str(), &status) != 0)
    return errno_error(errno, kOrigin, fmt::format("add_files \"{}\"", text));
  return oci::AddedFile{std::move(name.path), status.st_mode & kPermissions, *std::move(content)};
}

}  // namespace

Result<std::vector<oci::AddedFile>> read_added_files(const std::vector<std::string>& given) {
  std::vector<oci::AddedFile> files;
  uint64_t space = kMaxAddedBytes;
  for (const std::string& text : given) {
    oci::AddedFile file = TRY(read_one(text, space));
    space -= file.content.size();
    const bool twice = std::ranges::any_of(
        files, [&](const oci::AddedFile& other) { return other.path == file.path; });
    if (twice) return invalid(kOrigin, "add_files \"{}\": that path is given twice", text);
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace bartizan::image::builder
