#include "image/builder/partial.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/errors.hpp"
#include "crypto/hash.hpp"

namespace bartizan::image::builder {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/builder";
constexpr std::string_view kMark = ".partial-";
constexpr size_t kRandomBytes = 8;

fs::path trimmed(const fs::path& output) {
  return output.has_filename() ? output : output.parent_path();
}

Result<UniqueFd> open_folder(const fs::path& folder) {
  return open_file(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool is_partial_of(const fs::path& candidate, const std::string& start) {
  std::string name = candidate.filename().string();
  return name.starts_with(start) && name.size() == start.size() + 2 * kRandomBytes &&
         name.find_first_not_of("0123456789abcdef", start.size()) == std::string::npos;
}

// Nobody holds the lock of a folder whose maker is dead.
void remove_abandoned(const fs::path& output) {
  std::string start = output.filename().string() + std::string(kMark);
  fs::path parent = output.has_parent_path() ? output.parent_path() : ".";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (!is_partial_of(entry.path(), start)) continue;
    auto folder = open_folder(entry.path());
    if (folder.ok() && ::flock(folder->get(), LOCK_EX | LOCK_NB) == 0)
      fs::remove_all(entry.path(), ignored);
  }
}

Result<void> rename_new(const fs::path& from, const fs::path& to) {
  int status = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (status != 0 && (errno == EINVAL || errno == ENOSYS))
    status = ::rename(from.c_str(), to.c_str());
  if (status == 0) return {};
  return errno_error(errno, kOrigin, fmt::format("{}: rename", to.string()));
}

}  // namespace

Result<PartialFolder> PartialFolder::create(const fs::path& output, mode_t mode) {
  fs::path path = trimmed(output);
  remove_abandoned(path);
  Bytes random(kRandomBytes);
  TRY(crypto::random_bytes(random));
  path += std::string(kMark) + to_hex(random);
  if (::mkdir(path.c_str(), mode) != 0)
    return errno_error(errno, kOrigin, fmt::format("{}: mkdir", path.string()));
  auto unfinished = std::make_unique<Unfinished>(path);
  UniqueFd lock = TRY(open_folder(path));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return errno_error(errno, kOrigin, fmt::format("{}: lock", path.string()));
  return PartialFolder(std::move(unfinished), std::move(lock));
}

Result<void> PartialFolder::publish(const fs::path& output) {
  TRY(rename_new(path(), output));
  unfinished_->commit();
  return {};
}

Result<void> PartialFolder::publish_file(const fs::path& file, const fs::path& output) {
  return rename_new(file, output);
}

}  // namespace bartizan::image::builder
