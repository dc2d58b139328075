// bundle.json: canonical JSON,
// {"command_line","initrd_sha256","kernel_release","kernel_sha256","version":1}.
#pragma once

#include <string>
#include <string_view>

#include "bartizan/machine.hpp"
#include "base/units.hpp"

namespace bartizan::plan::bundle {

constexpr uint64_t kBundleVersion = 1;
// Some 300 bytes and a command line are expected; more would be somebody filling memory.
constexpr uint64_t kMaxBundleJson = 16 * kKiB;

// Sizes and path stay empty. corrupt names the member; a newer version is unsupported.
Result<BundleInfo> parse_bundle_json(std::string_view text);
Result<std::string> bundle_json(const BundleInfo& info);

}  // namespace bartizan::plan::bundle
