// config.json of a confidential container: the process becomes the launcher, with what it needs of
// the host. All else stays as the engine has it: namespaces, cgroup, seccomp filter, capabilities,
// label, hooks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/units.hpp"
#include "runtime/host.hpp"
#include "runtime/launcher.hpp"
#include "runtime/root_files.hpp"
#include "runtime/settings.hpp"

namespace bartizan::runtime {

// Engines write some 20 KiB; more comes from somebody who wants our memory.
constexpr uint64_t kMaxConfigBytes = 4 * kMiB;

struct Launch {
  ImageFacts image;
  Tee tee = Tee::snp;
  Wishes wishes;
  std::vector<HostFile> files;  // the launcher's
  std::filesystem::path bundle;
  std::vector<HostDevice> devices;
  bool keep_groups = false;  // a rootless engine's user has /dev/kvm by membership in a group
};

// The words that the container's process is started with.
std::vector<std::string> launcher_command(const Json& config, const Launch& launch);

// corrupt: a member that is to be changed has another type than the specification gives it.
Result<Json> rewrite_config(Json config, const Launch& launch);

// Is this what rewrite_config() made?
bool is_rewritten(const Json& config);

// root.path, relative to `bundle`.
Result<std::filesystem::path> root_of(const Json& config, const std::filesystem::path& bundle);

}  // namespace bartizan::runtime
