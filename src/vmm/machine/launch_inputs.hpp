// What a launch measured, in words. A refused measurement is two digests, which nobody can compare;
// this side of it knows the inputs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/machine.hpp"

namespace bartizan::vmm::machine {

struct LaunchInputs {
  LaunchOptions launch;
  // Of the image; 0: there is none.
  uint32_t image_vcpus = 0, image_ram_mib = 0;
  std::string bundle;  // bundle_text()
};

// Kernel and command line of this launch.
std::string bundle_text(const BundleInfo& bundle, const LaunchOptions& launch);

// "ram_mib 512 (the image has 256)", one for each input that is not the image's.
std::vector<std::string> differences(const LaunchInputs& inputs);

// Adds the inputs to the detail of a launch whose measurement was refused; does nothing to others.
void explain_refused_measurement(const LaunchInputs& inputs, ExitReason& reason);

}  // namespace bartizan::vmm::machine
