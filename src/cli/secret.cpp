#include "cli/secret.hpp"

#include <fcntl.h>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::cli {

namespace {

// Larger is not a key, a token, a certificate or a pattern, but somebody's /dev/zero.
constexpr size_t kMaxFileBytes = 1 << 20;

// Reads into memory that is wiped, without a copy on the way.
Result<SecretBytes> read_bounded(const std::filesystem::path& path) {
  const UniqueFd file = TRY(open_file(path, O_RDONLY));
  SecretBytes buffer(kMaxFileBytes + 1);
  const size_t size = TRY(read_up_to(file.get(), buffer.mutable_bytes(), path.native()));
  if (size > kMaxFileBytes)
    return make_error(ErrorCode::resource_exhausted, "cli", "{}: over 1 MiB", path.native());
  return SecretBytes(buffer.bytes().first(size));
}

}  // namespace

Result<SecretBytes> read_secret(const std::filesystem::path& path) {
  const SecretBytes content = TRY(read_bounded(path));
  ByteView bytes = content.bytes();
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  if (bytes.empty()) return invalid("cli", "{}: empty", path.native());
  return SecretBytes(bytes);
}

Result<std::optional<SecretBytes>> read_optional_secret(const std::filesystem::path& path) {
  if (path.empty()) return std::optional<SecretBytes>();
  return std::optional<SecretBytes>(TRY(read_secret(path)));
}

Result<std::string> read_text(const std::filesystem::path& path) {
  return std::string(TRY(read_bounded(path)).view());
}

Result<void> write_secret(const std::filesystem::path& path, const SecretBytes& secret) {
  const UniqueFd file = TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  Unfinished unfinished(path);
  TRY(write_all(file.get(), secret.bytes(), path.native()));
  TRY(write_all(file.get(), as_bytes("\n"), path.native()));
  unfinished.commit();
  return {};
}

}  // namespace bartizan::cli
