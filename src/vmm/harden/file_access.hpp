// Landlock: which files a thread may open by their paths. Descriptors that are open stay usable.
#pragma once

#include <filesystem>
#include <vector>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::vmm::harden {

// A rule set that allows to read `readable` (files, or folders with all below) and nothing else.
// What does not exist is left out. A file that is replaced by another one of its name is no longer
// the one that may be read. unsupported: the kernel has no Landlock.
Result<UniqueFd> make_file_access(const std::vector<std::filesystem::path>& readable);

// This thread, and those that it starts, are held to it for good.
Result<void> restrict_files(int file_access);

}  // namespace bartizan::vmm::harden
