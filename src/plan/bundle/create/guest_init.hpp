// Where our static init is, unless the caller names it.
#pragma once

#include <filesystem>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan::plan::bundle::create {

// $BARTIZAN_INIT, else beside the running program or this library, in an installation or a build
// folder, else under /usr. not_found lists what was tried.
Result<std::filesystem::path> find_guest_init();

// Of the running program and of this library: what belongs to them is found from there.
std::vector<std::filesystem::path> program_folders();

}  // namespace bartizan::plan::bundle::create
