// The launcher: `bartizan run` as a container starts it, with a dynamic loader and libraries that
// are the host's. They come in one by one, read-only, below a folder of memory, so that the
// container needs nothing of its own root folder, and nothing is left of it anywhere.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::runtime {

// Names of a container's own files; the folder is a mount of ours.
constexpr std::string_view kLauncherFolder = "/run/.bartizan";
constexpr std::string_view kLoader = "/run/.bartizan/ld.so";
constexpr std::string_view kProgram = "/run/.bartizan/bartizan";
constexpr std::string_view kLibraries = "/run/.bartizan/lib";
constexpr std::string_view kBundle = "/run/.bartizan/bundle";
constexpr std::string_view kKeyFile = "/run/.bartizan/key";

struct HostFile {
  std::filesystem::path source;  // of the host
  std::string name;              // in the container, absolute
};

// A program that needs more libraries than this is not ours.
constexpr size_t kMaxLibraries = 200;

// The libraries in what the loader's --list prints ("\tlibc.so.6 => /lib/…/libc.so.6 (0x…)").
// not_found: one that the loader did not find. corrupt: a line of another form.
Result<std::vector<HostFile>> parse_library_list(std::string_view text);

// `bartizan` beside this program, loader and libraries.
Result<std::vector<HostFile>> launcher_files();

// Asks `bartizan probe` whether this host can launch in that TEE; for those of hardware alone, as
// it starts a tiny guest. unsupported: it cannot, with the next step.
Result<void> check_host_tee(Tee tee);
// The same of what the probe prints as JSON.
Result<void> check_probe_answer(std::string_view json, Tee tee);

}  // namespace bartizan::runtime
