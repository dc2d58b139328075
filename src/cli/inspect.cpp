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
  auto key = TRY(read_optional_secret(arguments.disk_key_file));
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

// As diff(1): status 1 says that there are differences.
Result<int> diff(const Arguments& arguments, Printer& output) {
  auto differences = TRY(diff_images(arguments.image, arguments.other));
  std::vector<std::pair<std::string, std::string>> lines;
  for (const ImageDifference& difference : differences)
    lines.emplace_back(difference.what, difference.a + " -> " + difference.b);
  if (lines.empty()) lines.emplace_back("images", "the same");
  output.result(view::to_json(differences), lines);
  return differences.empty() ? 0 : 1;
}

}  // namespace

void add_inspect(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = add_command(
      app, session, "inspect", "Show what is public about an image with an encrypted disk",
      "  bartizan inspect confidential/\n"
      "  # also what oci2cw or buildah mkcw made, or a LUKS disk image\n"
      "  bartizan inspect disk.img\n"
      "  bartizan inspect confidential/ --json | jq -r .workload_digest\n",
      [arguments](Printer& output) { return inspect(*arguments, output); });
  command
      .add_option("IMAGE", arguments->image,
                  "OCI layout folder or archive, an unpacked image, or a disk image")
      ->required();
  command.add_option("--reference", arguments->reference, "Tag; default: the only image");
}

void add_verify(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, "verify", "Check an image's disk against its manifest, and its key",
                  "  bartizan verify confidential/ --key-file disk.key\n",
                  [arguments](Printer& output) { return verify(*arguments, output); });
  command
      .add_option("IMAGE", arguments->image, "OCI layout folder or archive, or an unpacked image")
      ->required();
  command.add_option("--key-file", arguments->disk_key_file, "Also check that it opens the disk")
      ->type_name("FILE");
}

void add_diff(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, "diff", "Show in what two confidential images differ",
                  "  # status 1 if they do\n"
                  "  bartizan diff confidential/ rebuilt/\n",
                  [arguments](Printer& output) { return diff(*arguments, output); });
  command.add_option("A", arguments->image, "OCI layout folder or archive, or an unpacked image")
      ->required();
  command.add_option("B", arguments->other, "The other one")->required();
}

}  // namespace bartizan::cli
