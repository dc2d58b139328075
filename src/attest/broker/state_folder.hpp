// The broker's state folder: that it is ours, and that one broker alone serves from it.
#pragma once

#include <filesystem>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::attest::broker {

// invalid_argument: the folder holds files and none of a broker's, and names one of them. A folder
// that is missing or empty is fine; so is one in which an operator has laid certificates.
Result<void> check_state_folder(const std::filesystem::path& state);

// Holds the folder (`lock` in it) until the descriptor is closed, also by the end of the process.
// already_exists: another broker has it.
Result<UniqueFd> lock_state_folder(const std::filesystem::path& state);

}  // namespace bartizan::attest::broker
