#include "plan/bundle/create/kernel.hpp"

#include <string.h>

#include <tuple>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "plan/bundle/create/guest_init.hpp"
#include "plan/bundle/create/modules.hpp"
#include "plan/bundle/guest_tees.hpp"

namespace bartizan::plan::bundle::create {
namespace {

using std::filesystem::path;

constexpr const char* kOrigin = "plan/bundle/create";
// Debian's have some 300 KiB.
constexpr uint64_t kMaxConfigBytes = 4 * kMiB;

Result<Bytes> read_config(const path& kernel, const std::string& release, const path& modules) {
  const path beside = kernel.parent_path() / ("config-" + release), inside = modules / "config";
  std::error_code ignored;
  for (const path& file : {beside, inside}) {
    if (std::filesystem::exists(file, ignored)) return read_regular_file(file, kMaxConfigBytes);
  }
  return make_error(ErrorCode::not_found, kOrigin,
                    "configuration of kernel {}: neither {} nor {} is there; put it there, for it "
                    "decides which TEEs the kernel can be a guest of",
                    release, beside.string(), inside.string());
}

struct Candidate {
  path file;
  std::string release;
  size_t tees = 0;  // 0: unknown
  bool cloud = false;

  bool operator<(const Candidate& other) const {
    if (tees != other.tees) return tees < other.tees;
    if (cloud != other.cloud) return other.cloud;
    return ::strverscmp(release.c_str(), other.release.c_str()) < 0;
  }
};

// A cloud kernel has all that a guest needs and is the smallest; any other of Debian's will do.
std::vector<Candidate> candidates_below(const path& root) {
  std::error_code error;
  std::vector<Candidate> found;
  for (const auto& entry : std::filesystem::directory_iterator(root / "boot", error)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with("vmlinuz-") || !name.ends_with("-amd64")) continue;
    Candidate candidate{entry.path(), name.substr(8), 0, name.ends_with("-cloud-amd64")};
    const path modules = root / "lib/modules" / candidate.release;
    if (!std::filesystem::is_directory(modules, error)) continue;
    auto tees = tees_of(candidate.file, candidate.release, modules);
    if (tees.ok()) candidate.tees = tees->size();
    found.push_back(std::move(candidate));
  }
  return found;
}

}  // namespace

path best_kernel(std::span<const path> roots) {
  Candidate best;
  for (const path& root : roots) {
    for (Candidate& candidate : candidates_below(root)) {
      if (best.file.empty() || best < candidate) best = std::move(candidate);
    }
  }
  return best.file.lexically_normal();
}

Result<path> default_kernel() {
  std::vector<path> roots = {"/"};
  for (const auto& folder : program_folders()) roots.push_back(folder / "../../../tools");
  path best = best_kernel(roots);
  if (!best.empty()) return best;
  return make_error(ErrorCode::not_found, kOrigin,
                    "kernel: no /boot/vmlinuz-*-amd64 with its folder below /lib/modules; install "
                    "linux-image-cloud-amd64 or name one");
}

path modules_of(const path& kernel, const std::string& release) {
  const path below = path("lib/modules") / release;
  std::error_code error;
  if (kernel.parent_path().filename() == "boot") {
    path beside = kernel.parent_path().parent_path() / below;
    if (std::filesystem::is_directory(beside, error)) return beside;
  }
  return "/" / below;
}

Error about_modules(Error error, const std::string& release) {
  error.message = fmt::format("modules of kernel {}: {}", release, error.message);
  return error;
}

Result<std::vector<Tee>> tees_of(const path& kernel, const std::string& release,
                                 const path& modules) {
  auto index = ModuleIndex::read(modules);
  if (!index.ok()) return about_modules(index.error(), release);
  auto config = TRY(read_config(kernel, release, modules));
  return tees_of_kernel(as_text(config),
                        [&](std::string_view module) { return index->has(module); });
}

}  // namespace bartizan::plan::bundle::create
