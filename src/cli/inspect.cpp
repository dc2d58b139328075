// bartizan inspect, bartizan verify
#include "bartizan/image.hpp"
#include "cli/command.hpp"
#include "cli/image_tree.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct Arguments {
  std::filesystem::path image, other;
  std::string reference, disk_key_file;
};

Result<int> inspect(const Arguments& arguments, Printer& output) {
  auto info = TRY(inspect_image(arguments.image, arguments.reference));
  output.tree(view::to_json(info), image_tree(info, arguments.image.string()));
  return 0;
}

Result<int> verify(const Arguments& arguments, Printer& output) {
  auto key = TRY(read_optional_secret("--key-file", arguments.disk_key_file));
  {
    ProgressBar bar(output);
    TRY(verify_image(arguments.image, key, bar.sink()));
  }
  output.result({{"verified", true}, {"disk_key_checked", key.has_value()}},
                {{"disk", "ok: equals the manifest's verity root hash"},
                 {"disk key", key.has_value() ? "ok: opens the disk" : "not checked"},
                 {"file system", key.has_value() ? "ok: every folder and file lies where it may"
                                                 : "not checked: takes the key"}});
  return 0;
}

// As diff(1): status 1 means that there are differences.
Result<int> diff(const Arguments& arguments, Printer& output) {
  auto differences = TRY(diff_images(arguments.image, arguments.other));
  std::vector<std::pair<std::string, std::string>> lines;
  lines.reserve(differences.size());
  for (const ImageDifference& difference : differences)
    lines.emplace_back(difference.what, difference.a + " -> " + difference.b);
  if (lines.empty()) lines.emplace_back("images", "the same");
  output.result(view::to_json(differences), lines);
  return differences.empty() ? 0 : 1;
}

}  // namespace

void add_inspect(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, text::inspect::kCommand,
                  [arguments](Printer& output) { return inspect(*arguments, output); });
  declare(command, text::inspect::kImage, arguments->image);
  declare(command, text::inspect::kReference, arguments->reference);
}

void add_verify(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, text::verify::kCommand,
                  [arguments](Printer& output) { return verify(*arguments, output); });
  declare(command, text::verify::kImage, arguments->image);
  declare(command, text::verify::kKeyFile, arguments->disk_key_file);
}

void add_diff(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = add_command(app, session, text::diff::kCommand, [arguments](Printer& output) {
    return diff(*arguments, output);
  });
  declare(command, text::diff::kA, arguments->image);
  declare(command, text::diff::kB, arguments->other);
}

}  // namespace bartizan::cli
