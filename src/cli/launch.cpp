#include "cli/launch.hpp"

#include "cli/parse.hpp"

namespace bartizan::cli {

void add_launch_options(CLI::App& command, LaunchArguments& to) {
  declare(command, text::launch::kTee, to.tee);
  declare(command, text::launch::kBundle, to.bundle);
  declare(command, text::launch::kVcpus, to.vcpus);
  declare(command, text::launch::kMemory, to.ram_mib);
  declare(command, text::launch::kAppendCmdline, to.append_cmdline);
  declare(command, text::launch::kGuestFeatures, to.guest_features);
}

Result<LaunchOptions> launch_options(const LaunchArguments& arguments, const ImageInfo* image) {
  LaunchOptions options;
  options.tee = TRY(as_word("--tee", tee_from_string(arguments.tee)));
  options.bundle = arguments.bundle;
  if (image) options.vcpus = image->vcpus, options.ram_mib = image->ram_mib;
  if (arguments.vcpus) options.vcpus = arguments.vcpus;
  if (arguments.ram_mib) options.ram_mib = arguments.ram_mib;
  options.extra_command_line = arguments.append_cmdline;
  options.guest_features = arguments.guest_features;
  return options;
}

}  // namespace bartizan::cli
