#include "cli/id_block.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/file.hpp"
#include "cli/parse.hpp"

namespace bartizan::cli {

namespace {

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
  const std::string group = "ID block of an snp launch";
  CLI::Option* key =
      command.add_option("--id-key", to.options.id_key, "Signs it: ECDSA P-384, PEM")
          ->type_name("FILE")
          ->group(group);
  const auto option = [&](const char* name, auto& value, const char* help, const char* type) {
    return command.add_option(name, value, help)->needs(key)->type_name(type)->group(group);
  };
  option("--author-key", to.options.author_key, "Signs the ID key", "FILE");
  key->needs(option("--id-block", to.block_path, "Where to put its 96 bytes", "FILE"));
  key->needs(
      option("--id-auth", to.authentication_path, "Where to put 4096 bytes of signatures", "FILE"));
  option("--family-id", to.family_id, "16 bytes for the report", "HEX");
  option("--image-id", to.image_id, "16 bytes for the report", "HEX");
  option("--guest-svn", to.options.guest_svn, "Version for the report", "N");
  option("--policy", to.options.policy, "Guest policy; default 0x30000", "NUMBER");
}

Result<void> write_id_block(const IdBlockArguments& arguments, const std::vector<uint8_t>& digest,
                            Printer& output) {
  IdBlockOptions options = arguments.options;
  options.digest = digest;
  TRY(set_id("--family-id", arguments.family_id, &options.family_id));
  TRY(set_id("--image-id", arguments.image_id, &options.image_id));
  const IdBlock made = TRY(make_id_block(options));
  TRY(save(arguments.block_path, made.block));
  TRY(save(arguments.authentication_path, made.authentication));
  output.note("ID key digest " + to_hex(made.id_key_digest));
  if (!made.author_key_digest.empty())
    output.note("author key digest " + to_hex(made.author_key_digest));
  return {};
}

}  // namespace bartizan::cli
