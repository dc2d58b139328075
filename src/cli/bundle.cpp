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
                                        {"command line", bundle.command_line},
                                        {"guest of", to_string(bundle.tees)},
                                        {"digest", bundle.digest}});
}

// Every launch measures the bundle: who replaces one makes registrations void.
void note_replaced(const BundleInfo& bundle, const Printer& output) {
  if (bundle.replaced_digest.empty()) return;
  if (bundle.replaced_digest == "damaged")
    return output.note(
        "replaced a damaged bundle: registrations are valid if they were of this "
        "digest");
  if (bundle.replaced_digest == bundle.digest)
    return output.note(
        "an equal bundle is there: nothing was written, and registrations remain valid");
  output.note("replaced another bundle, of digest " + bundle.replaced_digest +
              ": measurements differ from now on, so register workloads again");
}

Result<BundleInfo> create_with_bar(BundleOptions& options, const Printer& output) {
  ProgressBar bar(output);
  options.progress = bar.sink();
  return create_bundle(options);
}

Result<int> create(BundleOptions& options, Printer& output) {
  auto bundle = TRY(create_with_bar(options, output));
  note_replaced(bundle, output);
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
  CLI::App& command = add_command(group, session, text::bundle_create::kCommand,
                                  [options](Printer& output) { return create(*options, output); });
  declare(command, text::bundle_create::kKernel, options->kernel);
  declare(command, text::bundle_create::kModules, options->modules);
  declare(command, text::bundle_create::kInit, options->init);
  declare(command, text::bundle_create::kOutput, options->output);
  declare(command, text::bundle_create::kAppendCmdline, options->extra_command_line);
}

void add_inspect_bundle(CLI::App& group, Invocation& session) {
  auto path = std::make_shared<std::string>();
  CLI::App& command = add_command(group, session, text::bundle_inspect::kCommand,
                                  [path](Printer& output) { return inspect(*path, output); });
  declare(command, text::bundle_inspect::kBundle, *path);
}

}  // namespace

void add_bundle(CLI::App& app, Invocation& session) {
  CLI::App* group = app.add_subcommand("bundle", "Guest bundles: kernel, initrd, command line");
  group->require_subcommand(1);
  add_json_flag(*group, session);
  add_create(*group, session);
  add_inspect_bundle(*group, session);
}

}  // namespace bartizan::cli
