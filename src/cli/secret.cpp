#include "cli/secret.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cli/command.hpp"

namespace bartizan::cli {

namespace {

// Larger is not a key, a token, a certificate or a pattern, but somebody's /dev/zero.
constexpr size_t kMaxFileBytes = 1 << 20;

ErrorCode code_of(int os_errno) {
  switch (os_errno) {
    case ENOENT:
      return ErrorCode::not_found;
    case EEXIST:
      return ErrorCode::already_exists;
    case EACCES:
    case EPERM:
      return ErrorCode::permission_denied;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::resource_exhausted;
    default:
      return ErrorCode::io;
  }
}

Error file_error(int os_errno, const std::filesystem::path& path, const char* operation) {
  return {code_of(os_errno), os_errno, "cli", path.string() + ": " + operation, {}, {}, {}};
}

struct File {
  int fd;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

// Reads into memory that is wiped, without a copy on the way.
Result<SecretBytes> read_bounded(const std::filesystem::path& path) {
  File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return file_error(errno, path, "open");
  SecretBytes buffer(kMaxFileBytes + 1);
  size_t size = 0;
  while (size <= kMaxFileBytes) {
    const ssize_t count =
        ::read(file.fd, buffer.mutable_bytes().data() + size, kMaxFileBytes + 1 - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error(errno, path, "read");
    if (count == 0) return SecretBytes(buffer.bytes().first(size));
    size += static_cast<size_t>(count);
  }
  return Error{ErrorCode::resource_exhausted, 0, "cli", path.string() + ": over 1 MiB", {}, {}, {}};
}

Result<void> write_all(int fd, std::span<const uint8_t> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error(errno, path, "write");
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace

Result<SecretBytes> read_secret(const std::filesystem::path& path) {
  auto content = read_bounded(path);
  CLI_CHECK(content);
  auto bytes = content->bytes();
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  if (bytes.empty())
    return Error{ErrorCode::invalid_argument, 0, "cli", path.string() + ": empty", {}, {}, {}};
  return SecretBytes(bytes);
}

Result<std::optional<SecretBytes>> read_optional_secret(const std::filesystem::path& path) {
  if (path.empty()) return std::optional<SecretBytes>();
  auto secret = read_secret(path);
  CLI_CHECK(secret);
  return std::optional<SecretBytes>(*std::move(secret));
}

Result<std::string> read_text(const std::filesystem::path& path) {
  auto content = read_bounded(path);
  CLI_CHECK(content);
  return std::string(content->view());
}

Result<void> write_secret(const std::filesystem::path& path, const SecretBytes& secret) {
  File file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (file.fd < 0) return file_error(errno, path, "create");
  static constexpr uint8_t kNewline[] = {'\n'};
  Result<void> written = write_all(file.fd, secret.bytes(), path);
  if (written.ok()) written = write_all(file.fd, kNewline, path);
  if (!written.ok()) ::unlink(path.c_str());
  return written;
}

}  // namespace bartizan::cli
