#include "cli/id_block.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/file.hpp"
#include "cli/parse.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

// The library opens the keys itself.
std::filesystem::path key_path(const std::filesystem::path& path) {
  return is_standard_stream(path) ? "/dev/stdin" : path;
}

Result<void> set_id(const char* option, const std::string& text, std::array<uint8_t, 16>* to) {
  if (text.empty()) return {};
  auto bytes = TRY(parse_hex(option, text, to->size()));
  std::copy(bytes.begin(), bytes.end(), to->begin());
  return {};
}

// In place, unlike write_file: the path may be a pipe or a terminal.
Result<void> save(const std::string& path, const std::vector<uint8_t>& bytes) {
  const UniqueFd file = TRY(open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return write_all(file.get(), bytes, path);
}

}  // namespace

void add_id_block_options(CLI::App& command, IdBlockArguments& to) {
  using namespace text::measure;  // NOLINT: of this command
  CLI::Option* key = declare(command, kIdKey, to.options.id_key);
  declare(command, kAuthorKey, to.options.author_key)->needs(key);
  key->needs(declare(command, kIdBlock, to.block_path)->needs(key));
  key->needs(declare(command, kIdAuth, to.authentication_path)->needs(key));
  declare(command, kFamilyId, to.family_id)->needs(key);
  declare(command, kImageId, to.image_id)->needs(key);
  declare(command, kGuestSvn, to.options.guest_svn)->needs(key);
  declare(command, kPolicy, to.options.policy)->needs(key);
}

Result<void> write_id_block(const IdBlockArguments& arguments, const std::vector<uint8_t>& digest,
                            Printer& output) {
  IdBlockOptions options = arguments.options;
  options.digest = digest;
  options.id_key = key_path(options.id_key);
  options.author_key = key_path(options.author_key);
  TRY(set_id("--family-id", arguments.family_id, &options.family_id));
  TRY(set_id("--image-id", arguments.image_id, &options.image_id));
  TRY(require_file("--id-block", arguments.block_path));
  TRY(require_file("--id-auth", arguments.authentication_path));
  const IdBlock made = TRY(make_id_block(options));
  TRY(save(arguments.block_path, made.block));
  TRY(save(arguments.authentication_path, made.authentication));
  output.note("ID key digest " + to_hex(made.id_key_digest));
  if (!made.author_key_digest.empty())
    output.note("author key digest " + to_hex(made.author_key_digest));
  return {};
}

}  // namespace bartizan::cli
