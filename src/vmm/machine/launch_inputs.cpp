#include "vmm/machine/launch_inputs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bartizan::vmm::machine {
namespace {

// As a verifier's error ends up in the guest's last line.
constexpr std::string_view kRefused = "[measurement]";

void compare(const char* name, uint32_t value, uint32_t image, std::vector<std::string>& to) {
  if (image != 0 && value != image)
    to.push_back(fmt::format("{} {} (the image has {})", name, value, image));
}

}  // namespace

std::string bundle_text(const BundleInfo& bundle, const LaunchOptions& launch) {
  std::string command_line = bundle.command_line;
  if (!launch.extra_command_line.empty()) command_line += " " + launch.extra_command_line;
  return fmt::format("kernel {}, command line \"{}\"", bundle.kernel_release, command_line);
}

std::vector<std::string> differences(const LaunchInputs& inputs) {
  std::vector<std::string> found;
  compare("vcpus", inputs.launch.vcpus, inputs.image_vcpus, found);
  compare("ram_mib", inputs.launch.ram_mib, inputs.image_ram_mib, found);
  return found;
}

void explain_refused_measurement(const LaunchInputs& inputs, ExitReason& reason) {
  if (reason.kind != ExitKind::guest_failure || reason.detail.find(kRefused) == std::string::npos)
    return;
  const LaunchOptions& launch = inputs.launch;
  reason.detail += fmt::format("; this launch: TEE {}, vcpus {}, ram_mib {}, {}",
                               to_string(launch.tee), launch.vcpus, launch.ram_mib, inputs.bundle);
  if (auto found = differences(inputs); !found.empty()) {
    reason.detail += fmt::format("; differs: {}", fmt::join(found, ", "));
  } else {
    reason.detail +=
        "; vCPUs and memory are not other than the image's: compare kernel, init and command line "
        "with the bundle that was registered";
  }
}

}  // namespace bartizan::vmm::machine
