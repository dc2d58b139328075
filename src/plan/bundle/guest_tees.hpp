// Which TEEs a kernel can be a guest of. bundle.json holds the list for the host's sake: a launch
// that cannot work is refused where somebody reads the error, and not by a guest that stops. No
// guest reads the list, so nothing that is measured holds it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/machine.hpp"

namespace bartizan::plan::bundle {

// `config`: a kernel's configuration, lines of CONFIG_NAME=y or =m. `has_module`: is that module,
// in the spelling with '_', among those of the kernel? In the order of the enum.
std::vector<Tee> tees_of_kernel(std::string_view config,
                                const std::function<bool(std::string_view)>& has_module);

struct Unfit {
  std::string missing;  // one line, the bundle and its kernel by name
  std::string advice;   // one line, the next step
};
// Nothing: the bundle's kernel can be a guest of that TEE.
std::optional<Unfit> unfit_for(const BundleInfo& bundle, Tee tee);
// The same as an error: unsupported.
Result<void> check_guest_of(const BundleInfo& bundle, Tee tee);

}  // namespace bartizan::plan::bundle
