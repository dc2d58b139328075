// Stage modules: kernel modules in the order that the bundle gives; then loading is disabled.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan::guest::init::system {

// Lines of /modules.order -> paths under `folder`. Empty lines are passed over; a line that would
// leave the folder is corrupt.
Result<std::vector<std::string>> parse_module_order(std::string_view text, std::string_view folder);

struct ModuleCount {
  size_t loaded = 0;
  size_t passed = 0;  // already there or built in, or no such device on this machine
};

// Loads and removes each file (the initramfs is memory). `after_each` runs after every module: the
// console appears with one of them.
Result<ModuleCount> load_modules(const std::function<void()>& after_each);

}  // namespace bartizan::guest::init::system
