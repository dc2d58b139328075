// Configuration of container engines, so that each finds this runtime by the name "bartizan".
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan::runtime {

struct DropIn {
  std::string engine;          // "podman"
  std::filesystem::path path;  // where the engine reads it
  std::string content;
};

// The first line of what this program writes; a file without it is somebody else's.
constexpr std::string_view kWrittenHere = "# Written by `bartizan-runtime install`";

// For root: podman, CRI-O. For a user, whose folder for configuration is `home_config`: podman.
// `program`: this one, absolute.
std::vector<DropIn> drop_ins_of_root(const std::filesystem::path& program);
std::vector<DropIn> drop_ins_of_user(const std::filesystem::path& program,
                                     const std::filesystem::path& home_config);

// Writes it below `root` ("/", or a package's folder). already_exists: there is another file.
Result<void> write_drop_in(const DropIn& file, const std::filesystem::path& root);

// containerd's own configuration file, as it is to be: its text `own` with a block of ours at the
// end, which replaces one of an earlier installation. A drop-in would not do: containerd 1.6 and
// 1.7 replace the whole table of its Kubernetes plugin by that of an imported file.
// invalid_argument if the text is not one that a block can be added to.
constexpr char kContainerdConfig[] = "/etc/containerd/config.toml";
constexpr uint64_t kMaxContainerdConfig = 1 << 20;
Result<std::string> containerd_config(std::string_view own, const std::filesystem::path& program);

// Writes it below `root`, with the mode that the file has. not_found: there is no such file.
Result<void> write_containerd_config(const std::filesystem::path& program,
                                     const std::filesystem::path& root);

enum class DropInState { missing, other, current };
DropInState state_of(const DropIn& file);

}  // namespace bartizan::runtime
