// What a loaded bundle consists of, its digests checked: what a launch plan is made from.
#pragma once

#include <memory>

#include "bartizan/machine.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

// Each file was read once; what was hashed is what is here.
struct bartizan::LoadedBundle::Content {
  BundleInfo info;
  std::shared_ptr<const Bytes> kernel, initrd;
};

namespace bartizan::plan::bundle {

// The boot stub copies and hashes the whole initrd before the kernel starts, and the staging window
// holds it beside the kernel: a larger one is a mistake.
constexpr uint64_t kMaxInitrdBytes = 8 * kMiB;

}  // namespace bartizan::plan::bundle
