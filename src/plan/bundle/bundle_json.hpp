// bundle.json: canonical JSON,
// {"command_line","initrd_sha256","kernel_release","kernel_sha256","tees":[…],"version":2}.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/machine.hpp"
#include "base/units.hpp"

namespace bartizan::plan::bundle {

constexpr uint64_t kBundleVersion = 2;  // 1 had no "tees"
// Some 300 bytes and a command line are expected; more would be somebody filling memory.
constexpr uint64_t kMaxBundleJson = 16 * kKiB;

// Sizes and path stay empty. corrupt names the member ("tees": names of TEEs in the order of the
// enum, at least one); another version is unsupported.
Result<BundleInfo> parse_bundle_json(std::string_view text);
Result<std::string> bundle_json(const BundleInfo& info);

}  // namespace bartizan::plan::bundle
