#include "plan/bundle/create/guest_init.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/errors.hpp"

namespace bartizan::plan::bundle::create {
namespace {

using std::filesystem::path;

void add_folder_of(const path& file, std::vector<path>* folders) {
  std::error_code error;
  auto folder = std::filesystem::canonical(file, error).parent_path();
  if (!error) folders->push_back(std::move(folder));
}

void add_neighbours(const path& folder, std::vector<path>* candidates) {
  for (const char* relative : {"../lib/bartizan/init", "../bartizan/init", "bartizan/init",
                               "../guest/bartizan-init", "bartizan-init"}) {
    candidates->push_back((folder / relative).lexically_normal());
  }
}

std::vector<path> all_candidates() {
  std::vector<path> candidates;
  for (const auto& folder : program_folders()) add_neighbours(folder, &candidates);
  candidates.emplace_back("/usr/local/lib/bartizan/init");
  candidates.emplace_back("/usr/lib/bartizan/init");
  return candidates;
}

}  // namespace

std::vector<path> program_folders() {
  std::vector<path> folders;
  add_folder_of("/proc/self/exe", &folders);
  Dl_info library;
  if (::dladdr(reinterpret_cast<void*>(&find_guest_init), &library) != 0 && library.dli_fname) {
    add_folder_of(library.dli_fname, &folders);
  }
  return folders;
}

Result<path> find_guest_init() {
  if (auto named = environment("BARTIZAN_INIT")) return path(*named);
  std::string tried;
  for (const auto& candidate : all_candidates()) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored)) return candidate;
    tried += (tried.empty() ? "" : ", ") + candidate.string();
  }
  return make_error(ErrorCode::not_found, "bundle/init",
                    "guest init: BARTIZAN_INIT is not set, and there is none at {}", tried);
}

}  // namespace bartizan::plan::bundle::create
