// Where our static init is, unless the caller names it.
#pragma once

#include <filesystem>

#include "bartizan/result.hpp"

namespace bartizan::plan::bundle::create {

// $BARTIZAN_INIT, else beside the running program or this library, in an installation or a build
// folder, else under /usr. not_found lists what was tried.
Result<std::filesystem::path> find_guest_init();

}  // namespace bartizan::plan::bundle::create
