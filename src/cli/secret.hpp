// Secrets and certificates come from files, /dev/fd/N or "-", standard input: never from the
// command line, which any process on the host can read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"

namespace bartizan::cli {

// Errors begin with the option and the file: what is read is what `option` named.

// The file without one final newline. corrupt if it is empty.
Result<SecretBytes> read_secret(const char* option, const std::filesystem::path& path);

// nullopt for an empty path.
Result<std::optional<SecretBytes>> read_optional_secret(const char* option,
                                                        const std::filesystem::path& path);

// A public text: a certificate, a pattern to look for.
Result<std::string> read_text(const char* option, const std::filesystem::path& path);

// A public text that has a certificate in PEM at least; corrupt: it has none.
Result<std::string> read_certificates(const char* option, const std::filesystem::path& path);

// Whether "-" was given: standard input or output.
bool is_standard_stream(const std::filesystem::path& path);

// invalid_argument for "-" where it cannot be: an image, and what is read more than once.
Result<void> require_file(const char* option, const std::filesystem::path& path);

// Makes the file (0600), with a final newline. already_exists if there is one: an old key is never
// lost. "-": standard output.
Result<void> write_secret(const std::filesystem::path& path, const SecretBytes& secret);

}  // namespace bartizan::cli
