// The file that a SEV or SEV-ES launch puts into the initramfs for its owner's secret
// (manifest/launch_secret).
#pragma once

#include <filesystem>
#include <optional>

#include "manifest/launch_secret.hpp"

namespace bartizan::guest {

struct TakenSecret {
  bool expected = false;               // the file is there: this is a SEV or SEV-ES launch
  std::optional<LaunchSecret> secret;  // nothing: no owner gave one
};

// Reads the file, overwrites it and removes it. corrupt: what is in it is no launch secret.
Result<TakenSecret> take_launch_secret(const std::filesystem::path& folder = "/");

}  // namespace bartizan::guest
