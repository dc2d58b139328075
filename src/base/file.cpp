#include "base/file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/environment.hpp"
#include "base/errors.hpp"

namespace bartizan {

Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, mode_t mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return errno_error(errno, "base/file", fmt::format("open {}", path.string()));
  return fd;
}

Result<Pipe> make_pipe(int flags) {
  int ends[2];
  if (::pipe2(ends, flags | O_CLOEXEC) != 0) return errno_error(errno, "base/file", "pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<UniqueFd> unnamed_file(const std::filesystem::path& folder) {
  UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.valid()) return file;
  if (errno != EOPNOTSUPP)
    return errno_error(errno, "base/file", fmt::format("temporary file in {}", folder.string()));
  // NFS, overlayfs before 6.1 and others know no O_TMPFILE
  std::string path = (folder / ".bartizan-XXXXXX").string();
  UniqueFd named(::mkostemp(path.data(), O_CLOEXEC));
  if (!named.valid())
    return errno_error(errno, "base/file", fmt::format("temporary file {}", path));
  if (::unlink(path.c_str()) != 0)
    return errno_error(errno, "base/file", fmt::format("unlink {}", path));
  return named;
}

Result<UniqueFd> duplicate_fd(int fd, std::string_view name) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) return errno_error(errno, "base/file", fmt::format("{}: duplicate", name));
  return copy;
}

Result<uint64_t> file_size(int fd, const std::filesystem::path& name) {
  struct stat status;
  if (::fstat(fd, &status) != 0)
    return errno_error(errno, "base/file", fmt::format("stat {}", name.string()));
  return static_cast<uint64_t>(status.st_size);
}

namespace {

Result<Bytes> read_whole(const UniqueFd& fd, const std::filesystem::path& path, uint64_t limit) {
  Bytes content;
  uint8_t chunk[65536];
  for (;;) {
    size_t count = TRY(read_up_to(fd.get(), chunk, path.string()));
    if (content.size() + count > limit) {
      return make_error(ErrorCode::resource_exhausted, "base/file",
                        "{}: larger than the limit of {} bytes", path.string(), limit);
    }
    content.insert(content.end(), chunk, chunk + count);
    if (count < sizeof chunk) return content;
  }
}

}  // namespace

Result<void> require_parent(std::string_view what, const std::filesystem::path& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error);
  const auto named = whole.has_filename() ? whole : whole.parent_path();
  const auto parent = named.parent_path();
  if (std::filesystem::is_directory(parent, error)) return {};
  return make_error(ErrorCode::not_found, "base/file", "{} {}: no folder {} to make it in", what,
                    path.string(), parent.string());
}

Result<Bytes> read_file(const std::filesystem::path& path, uint64_t limit) {
  return read_whole(TRY(open_file(path, O_RDONLY)), path, limit);
}

Result<Bytes> read_regular_file(const std::filesystem::path& path, uint64_t limit) {
  UniqueFd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return invalid("base/file", "{}: not a regular file", path.string());
  return read_whole(fd, path, limit);
}

Result<std::filesystem::path> temporary_folder() {
  std::error_code error;
  auto folder = std::filesystem::temp_directory_path(error);
  if (!error) return folder;
  return make_error(ErrorCode::not_found, "base/file",
                    "TMPDIR: {}: no folder for temporary files: {}",
                    environment("TMPDIR").value_or("/tmp"), error.message());
}

Result<size_t> read_up_to(int fd, std::span<uint8_t> to, std::string_view name) {
  size_t size = 0;
  while (size < to.size()) {
    ssize_t count = ::read(fd, to.data() + size, to.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "base/file", fmt::format("read {}", name));
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  return size;
}

Result<void> read_exactly(int fd, std::span<uint8_t> to, uint64_t offset, std::string_view name) {
  while (!to.empty()) {
    ssize_t count = ::pread(fd, to.data(), to.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return errno_error(errno, "base/file", fmt::format("read {} at {}", name, offset));
    if (count == 0)
      return make_error(ErrorCode::corrupt, "base/file", "{}: ends at byte {}", name, offset);
    to = to.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

Result<void> write_exactly(int fd, ByteView from, uint64_t offset, std::string_view name) {
  while (!from.empty()) {
    ssize_t count = ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return errno_error(errno, "base/file", fmt::format("write {} at {}", name, offset));
    from = from.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

Result<void> write_all(int fd, ByteView from, std::string_view name) {
  while (!from.empty()) {
    ssize_t count = ::write(fd, from.data(), from.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "base/file", fmt::format("write {}", name));
    from = from.subspan(static_cast<size_t>(count));
  }
  return {};
}

Result<void> write_file(const std::filesystem::path& path, ByteView content, mode_t mode) {
  std::filesystem::path temporary = path;
  temporary += ".partial";
  Unfinished unfinished(temporary);
  UniqueFd fd = TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
  TRY(write_all(fd.get(), content, temporary.string()));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return errno_error(errno, "base/file", fmt::format("rename to {}", path.string()));
  }
  unfinished.commit();
  return {};
}

Unfinished::~Unfinished() {
  // nothing to report: an error is already being returned
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace bartizan
