#include "cli/secret.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::cli {

namespace {

// Larger is not a key, a token, a certificate or a pattern, but somebody's /dev/zero.
constexpr size_t kMaxFileBytes = 1 << 20;

constexpr const char* kStandard = "-";

// What a broker writes into its folder at its first start.
bool is_of_broker(std::string_view option) {
  return option == "--broker-ca" || option == "--ca" || option == "--token-file";
}

// Names the option, and for what is not there yet who makes it.
Error about_option(Error error, std::string_view option, const std::filesystem::path& path) {
  error.message = fmt::format("{}: {}", option, error.message);
  if (error.code == ErrorCode::not_found && is_of_broker(option))
    error.message += fmt::format(" (`bartizan broker --state {}` makes it at its first start)",
                                 path.has_parent_path() ? path.parent_path().native() : ".");
  return error;
}

// "-" is standard input, which can be read only once.
Result<UniqueFd> open_input(const std::filesystem::path& path) {
  if (path != kStandard) return open_file(path, O_RDONLY);
  static bool taken = false;
  if (std::exchange(taken, true))
    return invalid("cli", "-: standard input was read for another option already");
  UniqueFd input(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!input.valid()) return errno_error(errno, "cli", "standard input");
  return input;
}

// Reads into memory that is wiped, without a copy on the way.
Result<SecretBytes> read_whole(const std::filesystem::path& path) {
  const UniqueFd file = TRY(open_input(path));
  SecretBytes buffer(kMaxFileBytes + 1);
  const size_t size = TRY(read_up_to(file.get(), buffer.mutable_bytes(), path.native()));
  if (size > kMaxFileBytes)
    return make_error(ErrorCode::resource_exhausted, "cli", "{}: over 1 MiB", path.native());
  return SecretBytes(buffer.bytes().first(size));
}

Result<SecretBytes> read_bounded(const char* option, const std::filesystem::path& path) {
  auto content = read_whole(path);
  if (content.ok()) return content;
  return about_option(std::move(content).error(), option, path);
}

}  // namespace

bool is_standard_stream(const std::filesystem::path& path) {
  return path == kStandard;
}

Result<void> require_file(const char* option, const std::filesystem::path& path) {
  if (path != kStandard) return {};
  return invalid("cli",
                 "{}: \"-\": not possible by a standard stream: name a file (./- if that "
                 "is its name)",
                 option);
}

Result<SecretBytes> read_secret(const char* option, const std::filesystem::path& path) {
  const SecretBytes content = TRY(read_bounded(option, path));
  ByteView bytes = content.bytes();
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  if (bytes.empty())
    return make_error(ErrorCode::corrupt, "cli", "{} {}: empty", option, path.native());
  return SecretBytes(bytes);
}

Result<std::optional<SecretBytes>> read_optional_secret(const char* option,
                                                        const std::filesystem::path& path) {
  if (path.empty()) return std::optional<SecretBytes>();
  return std::optional<SecretBytes>(TRY(read_secret(option, path)));
}

Result<std::string> read_text(const char* option, const std::filesystem::path& path) {
  std::string text(TRY(read_bounded(option, path)).view());
  if (!text.empty()) return text;
  return make_error(ErrorCode::corrupt, "cli", "{} {}: empty", option, path.native());
}

Result<std::string> read_certificates(const char* option, const std::filesystem::path& path) {
  std::string text = TRY(read_text(option, path));
  if (text.find("-----BEGIN CERTIFICATE-----") != text.npos) return text;
  return make_error(ErrorCode::corrupt, "cli", "{} {}: no certificate in PEM", option,
                    path.native());
}

Result<void> write_secret(const std::filesystem::path& path, const SecretBytes& secret) {
  if (path == kStandard) {
    TRY(write_all(STDOUT_FILENO, secret.bytes(), "standard output"));
    return write_all(STDOUT_FILENO, as_bytes("\n"), "standard output");
  }
  const UniqueFd file = TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  Unfinished unfinished(path);
  TRY(write_all(file.get(), secret.bytes(), path.native()));
  TRY(write_all(file.get(), as_bytes("\n"), path.native()));
  unfinished.commit();
  return {};
}

}  // namespace bartizan::cli
