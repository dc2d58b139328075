// bartizan bundle create, bartizan bundle inspect
#include "bartizan/machine.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

namespace {

void show(const BundleInfo& bundle, Printer& output) {
  output.result(view::to_json(bundle), {{"bundle", bundle.path.string()},
                                        {"kernel release", bundle.kernel_release},
                                        {"kernel", human_bytes(bundle.kernel_bytes)},
                                        {"kernel sha256", bundle.kernel_sha256},
                                        {"initrd", human_bytes(bundle.initrd_bytes)},
                                        {"initrd sha256", bundle.initrd_sha256},
                                        {"command line", bundle.command_line}});
}

Result<BundleInfo> create_with_bar(BundleOptions& options, const Printer& output) {
  ProgressBar bar(output);
  options.progress = bar.sink();
  return create_bundle(options);
}

Result<int> create(BundleOptions& options, Printer& output) {
  auto bundle = TRY(create_with_bar(options, output));
  show(bundle, output);
  return 0;
}

Result<int> inspect(const std::string& path, Printer& output) {
  auto bundle =
      TRY(read_bundle(path.empty() ? default_bundle_path() : std::filesystem::path(path)));
  show(bundle, output);
  return 0;
}

void add_create(CLI::App& group, Invocation& session) {
  auto options = std::make_shared<BundleOptions>();
  CLI::App& command = add_command(
      group, session, "create", "Make a bundle from a distribution's kernel and our init",
      "  bartizan bundle create\n"
      "  bartizan bundle create --kernel /boot/vmlinuz-6.1.0-13-cloud-amd64 --output bundle/\n",
      [options](Printer& output) { return create(*options, output); });
  command.add_option("--kernel", options->kernel,
                     "bzImage; default: the newest Debian cloud kernel under /boot");
  command.add_option("--modules", options->modules,
                     "Its folder of modules; default: /lib/modules/RELEASE");
  command.add_option("--init", options->init, "Static init; default: the installed one");
  command.add_option("--output", options->output,
                     "Folder to make; default: " + default_bundle_path().string());
  command.add_option("--append-cmdline", options->extra_command_line,
                     "Added to the default command line");
}

void add_inspect_bundle(CLI::App& group, Invocation& session) {
  auto path = std::make_shared<std::string>();
  CLI::App& command = add_command(group, session, "inspect", "Show a bundle and check its digests",
                                  "  bartizan bundle inspect bundle/ --json\n",
                                  [path](Printer& output) { return inspect(*path, output); });
  command.add_option("BUNDLE", *path, "Folder; default: " + default_bundle_path().string());
}

}  // namespace

void add_bundle(CLI::App& app, Invocation& session) {
  CLI::App* group = app.add_subcommand("bundle", "Guest bundles: kernel, initrd, command line");
  group->require_subcommand(1);
  add_create(*group, session);
  add_inspect_bundle(*group, session);
}

}  // namespace bartizan::cli
