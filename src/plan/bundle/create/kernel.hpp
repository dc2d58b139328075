// The kernel of a guest bundle: which is taken where none is named, and what lies beside it.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "bartizan/tee.hpp"

namespace bartizan::plan::bundle::create {

// Among this machine's own and those that scripts/setup unpacked next to the build folder that this
// program is of. not_found: none.
Result<std::filesystem::path> default_kernel();
// Of all ROOT/boot/vmlinuz-*-amd64 that have ROOT/lib/modules/RELEASE, the one that can be a guest
// of most TEEs; of equal ones the newest, cloud kernels before others. Empty: none.
std::filesystem::path best_kernel(std::span<const std::filesystem::path> roots);

// "/lib/modules/RELEASE", or "ROOT/lib/modules/RELEASE" of a kernel that is in ROOT/boot.
std::filesystem::path modules_of(const std::filesystem::path& kernel, const std::string& release);

// An error of reading that folder, with whose it is.
Error about_modules(Error error, const std::string& release);

// By the configuration, config-RELEASE beside the kernel or "config" in the folder of its modules,
// and by that folder's index. not_found: neither is there, or no index.
Result<std::vector<Tee>> tees_of(const std::filesystem::path& kernel, const std::string& release,
                                 const std::filesystem::path& modules);

}  // namespace bartizan::plan::bundle::create
