// The file that a SEV or SEV-ES launch puts into the initramfs for its owner's secret
// (guest_abi/launch_secret).
#pragma once

#include <filesystem>
#include <optional>

#include "guest_abi/launch_secret.hpp"

namespace bartizan::guest::init::host {

struct FoundLaunchSecret {
  bool expected = false;  // the file is there: this is a SEV or SEV-ES launch
  std::optional<guest_abi::LaunchSecret> secret;  // nothing: no owner gave one
};

// Reads the file, overwrites it and removes it. corrupt: its content is not a launch secret.
Result<FoundLaunchSecret> find_launch_secret(const std::filesystem::path& folder = "/");

}  // namespace bartizan::guest::init::host
