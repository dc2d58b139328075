// The broker's state folder: that it is ours, and that one broker alone serves from it.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::attest::broker {

// What a broker keeps there, by name: the store, the certificates with their keys, the token.
std::span<const std::string_view> broker_files();
// While a backup is being restored into the folder.
constexpr const char* kRestoreMark = "restoring";

// Made with mode 0700 if it is missing.
Result<void> make_state_folder(const std::filesystem::path& state);

// invalid_argument: the folder holds files and none of a broker's, and names one of them. A folder
// that is missing or empty is fine; so is one in which an operator has laid certificates.
// invalid_state: a backup was not restored to its end.
Result<void> check_state_folder(const std::filesystem::path& state);

// That a backup may be restored into it. already_exists: it holds a broker, and not one that was
// restored in part; else as check_state_folder().
Result<void> check_restore_folder(const std::filesystem::path& state);
// What a broker keeps there, and SQLite's files beside it.
Result<void> remove_broker_files(const std::filesystem::path& state);

// Holds the folder (`lock` in it) until the descriptor is closed, also by the end of the process.
// already_exists: another broker has it.
Result<UniqueFd> lock_state_folder(const std::filesystem::path& state);

}  // namespace bartizan::attest::broker
