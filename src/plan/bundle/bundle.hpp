// A bundle in memory, its digests checked: what a launch plan is made from.
#pragma once

#include <memory>

#include "bartizan/machine.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::plan::bundle {

// The boot stub copies and hashes the whole initrd before the kernel starts, and the staging window
// holds it beside the kernel: a larger one is a mistake.
constexpr uint64_t kMaxInitrdBytes = 8 * kMiB;

struct Bundle {
  BundleInfo info;
  std::shared_ptr<const Bytes> kernel, initrd;
};

// `path` empty: default_bundle_path(). Each file is read once; what was hashed is what is returned.
// Errors: not_found, corrupt (names the file and both digests), unsupported (a newer version).
Result<Bundle> load_bundle(const std::filesystem::path& path);

}  // namespace bartizan::plan::bundle
