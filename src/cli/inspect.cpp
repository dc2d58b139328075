// bartizan inspect, bartizan verify
#include "bartizan/image.hpp"
#include "cli/command.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct Arguments {
  std::filesystem::path image, other;
  std::string reference, disk_key_file;
};

Result<int> inspect(const Arguments& arguments, Output& output) {
  auto info = inspect_image(arguments.image, arguments.reference);
  CLI_CHECK(info);
  output.result(
      view::to_json(*info),
      {{"workload id", info->workload_id},
       {"workload digest", view::to_hex(info->workload_digest)},
       {"broker", info->broker_url.empty() ? "none: key from the caller" : info->broker_url},
       {"resource", info->resource},
       {"file system", info->filesystem},
       {"cipher", info->cipher},
       {"verity root hash", info->verity_root_hash},
       {"disk", info->disk_path.string() + " at " + std::to_string(info->disk_offset) + ", " +
                    human_bytes(info->disk_bytes)},
       {"", "|- LUKS2 header     " + human_bytes(info->header_bytes)},
       {"", "|- encrypted files  " + human_bytes(info->filesystem_bytes)},
       {"", "|- dm-verity tree   " + human_bytes(info->tree_bytes)},
       {"", "`- KRUN footer      " + human_bytes(info->disk_bytes - info->header_bytes -
                                                 info->filesystem_bytes - info->tree_bytes)},
       {"cpus", std::to_string(info->vcpus)},
       {"memory", std::to_string(info->ram_mib) + " MiB"},
       {"the host learns", "all of the above, and which blocks are read when"},
       {"the host does not", "names, contents, owners and the configuration of the workload"}});
  return 0;
}

Result<int> verify(const Arguments& arguments, Output& output) {
  auto key = read_optional_secret(arguments.disk_key_file);
  CLI_CHECK(key);
  {
    ProgressBar bar(output);
    CLI_CHECK(verify_image(arguments.image, *key, bar.sink()));
  }
  output.result({{"verified", true}, {"disk_key_checked", key->has_value()}},
                {{"disk", "ok: equals the manifest's verity root hash"},
                 {"disk key", key->has_value() ? "ok: opens the disk" : "not checked"}});
  return 0;
}

// As diff(1): status 1 says that there are differences.
Result<int> diff(const Arguments& arguments, Output& output) {
  auto differences = diff_images(arguments.image, arguments.other);
  CLI_CHECK(differences);
  std::vector<std::pair<std::string, std::string>> lines;
  for (const ImageDifference& difference : *differences)
    lines.emplace_back(difference.what, difference.a + " -> " + difference.b);
  if (lines.empty()) lines.emplace_back("images", "the same");
  output.result(view::to_json(*differences), lines);
  return differences->empty() ? 0 : 1;
}

}  // namespace

void add_inspect(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, "inspect", "Show what is public about a confidential image",
                  "  bartizan inspect confidential/\n"
                  "  bartizan inspect confidential/ --json | jq -r .workload_digest\n",
                  [arguments](Output& output) { return inspect(*arguments, output); });
  command
      .add_option("IMAGE", arguments->image, "OCI layout folder or archive, or an unpacked image")
      ->required();
  command.add_option("--reference", arguments->reference, "Tag; default: the only image");
}

void add_verify(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, "verify", "Check an image's disk against its manifest, and its key",
                  "  bartizan verify confidential/ --key-file disk.key\n",
                  [arguments](Output& output) { return verify(*arguments, output); });
  command
      .add_option("IMAGE", arguments->image, "OCI layout folder or archive, or an unpacked image")
      ->required();
  command.add_option("--key-file", arguments->disk_key_file, "Also check that it opens the disk")
      ->type_name("FILE");
}

void add_diff(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, "diff", "Show in what two confidential images differ",
                  "  # status 1 if they do\n"
                  "  bartizan diff confidential/ rebuilt/\n",
                  [arguments](Output& output) { return diff(*arguments, output); });
  command.add_option("A", arguments->image, "OCI layout folder or archive, or an unpacked image")
      ->required();
  command.add_option("B", arguments->other, "The other one")->required();
}

}  // namespace bartizan::cli
