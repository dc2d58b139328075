#include "cli/launch.hpp"

namespace bartizan::cli {

void add_launch_options(CLI::App& command, LaunchArguments& arguments, const char* defaults) {
  const std::string from = std::string("; default: ") + defaults;
  command.add_option("--tee", arguments.tee, "none, simulated, sev, sev-es, snp or tdx")
      ->capture_default_str()
      ->type_name("TEE");
  command
      .add_option("--bundle", arguments.bundle, "Guest bundle; default: the one of `bundle create`")
      ->type_name("FOLDER");
  command.add_option("--cpus", arguments.vcpus, "Virtual CPUs" + from)->type_name("N");
  command.add_option("--memory", arguments.ram_mib, "Guest memory in MiB" + from)->type_name("MIB");
  command
      .add_option("--append-cmdline", arguments.append_cmdline,
                  "Added to the guest's kernel command line, and measured")
      ->type_name("TEXT");
  command
      .add_option("--guest-features", arguments.guest_features,
                  "SEV_FEATURES, measured; default 1 with snp, none with sev-es")
      ->type_name("BITS");
}

Result<LaunchOptions> launch_options(const LaunchArguments& arguments, const ImageInfo* image) {
  LaunchOptions options;
  options.tee = TRY(tee_from_string(arguments.tee));
  options.bundle = arguments.bundle;
  if (image) options.vcpus = image->vcpus, options.ram_mib = image->ram_mib;
  if (arguments.vcpus) options.vcpus = arguments.vcpus;
  if (arguments.ram_mib) options.ram_mib = arguments.ram_mib;
  options.extra_command_line = arguments.append_cmdline;
  options.guest_features = arguments.guest_features;
  return options;
}

}  // namespace bartizan::cli
