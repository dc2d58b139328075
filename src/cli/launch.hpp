// The options that decide what a launch measures, declared once for measure, register and run.
#pragma once

#include "bartizan/image.hpp"
#include "bartizan/tee.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

// 0 and "": from the image, or the default.
struct LaunchArguments {
  std::string tee = "simulated";
  std::string bundle;
  uint32_t vcpus = 0;
  uint32_t ram_mib = 0;
  std::string append_cmdline;
  uint64_t guest_features = 0;
};

void add_launch_options(CLI::App& command, LaunchArguments& to);

// `image` gives the defaults; null: the library's.
Result<LaunchOptions> launch_options(const LaunchArguments& arguments, const ImageInfo* image);

}  // namespace bartizan::cli
