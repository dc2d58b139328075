// A container that an engine asks for: is its image confidential, and if so, is what the engine
// asks possible, and its config.json rewritten.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "runtime/command_line.hpp"
#include "runtime/settings.hpp"

namespace bartizan::runtime {

// The engine's config.json of a confidential container, beside the rewritten one.
constexpr char kOriginalSuffix[] = ".original";

// Before create, run or restore. An ordinary image: nothing is changed. Gives lines about what has
// no effect, or not the usual one. Errors: all refusals, and whatever is missing on this host;
// nothing has been changed then.
Result<std::vector<std::string>> prepare_container(const RuntimeCommand& command,
                                                   const Settings& settings);

// Before exec or checkpoint. permission_denied: the container is confidential.
Result<void> check_entering(const RuntimeCommand& command,
                            const std::filesystem::path& stock_runtime);

}  // namespace bartizan::runtime
