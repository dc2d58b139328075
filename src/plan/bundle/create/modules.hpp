// Which kernel modules a guest needs, in the order in which to load them, from a folder like
// /lib/modules/RELEASE.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"

namespace bartizan::plan::bundle::create {

struct WantedModule {
  std::string_view name;  // '-' and '_' are the same
  bool required = true;   // else left out where a kernel has none
};

// What the stages of the guest use, soft dependencies before what wants them.
std::span<const WantedModule> guest_modules();

struct Module {
  std::string file_name;  // "virtio_blk.ko"
  Bytes content;          // decompressed
};

// The wanted ones and all that they depend on, each once, dependencies first. Those built into the
// kernel are left out. not_found: no such folder or file; unsupported: this kernel lacks a required
// module (named); corrupt.
Result<std::vector<Module>> collect_modules(const std::filesystem::path& folder,
                                            std::span<const WantedModule> wanted);

// A kernel's module index, and the order of loading: the part of the above that reads text only.
class ModuleIndex {
 public:
  // Of such a folder.
  static Result<ModuleIndex> read(const std::filesystem::path& folder);
  // Contents of modules.dep and modules.builtin.
  static Result<ModuleIndex> parse(std::string_view dependencies, std::string_view builtin);
  ~ModuleIndex();
  ModuleIndex(ModuleIndex&&) noexcept;

  // Among the modules, in any spelling; what is built in is none.
  bool has(std::string_view name) const;

  // Paths relative to the folder. Errors: unsupported, corrupt (a dependency that is not listed, or
  // a circle).
  Result<std::vector<std::string>> load_order(std::span<const WantedModule> wanted) const;

 private:
  struct State;
  explicit ModuleIndex(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::plan::bundle::create
