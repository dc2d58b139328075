#include "plan/bundle/bundle.hpp"

#include <cstdlib>

#include "base/environment.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "crypto/hash.hpp"
#include "plan/boot/bzimage.hpp"
#include "plan/bundle/bundle_json.hpp"

namespace bartizan {
using namespace plan::bundle;  // NOLINT: the public functions of this component
namespace plan::bundle {
namespace {

Error not_a_bundle(const std::filesystem::path& path, const Error& cause) {
  Error error = cause;
  error.origin = "bundle";
  error.message = fmt::format("guest bundle {}: {}; \"bartizan bundle create\" makes one",
                              path.string(), cause.message);
  return error;
}

// A bundle is used only as it was made: a changed file is named before anything is launched with
// it.
Result<std::shared_ptr<const Bytes>> load_part(const std::filesystem::path& path, uint64_t limit,
                                               const std::string& digest) {
  auto bytes = TRY(read_regular_file(path, limit));
  auto got = to_hex(crypto::sha256(bytes));
  if (got != digest) {
    return make_error(ErrorCode::corrupt, "bundle", "{}: SHA-256 is {}, bundle.json has {}",
                      path.string(), got, digest);
  }
  return std::make_shared<const Bytes>(std::move(bytes));
}

}  // namespace
}  // namespace plan::bundle

Result<LoadedBundle> LoadedBundle::load(const std::filesystem::path& folder) {
  const auto path = folder.empty() ? default_bundle_path() : folder;
  auto text = read_regular_file(path / "bundle.json", kMaxBundleJson);
  if (!text.ok()) return not_a_bundle(path, text.error());
  Content content{TRY(parse_bundle_json(as_text(*text))), {}, {}};
  BundleInfo& info = content.info;
  content.kernel = TRY(load_part(path / "kernel", plan::boot::kMaxKernelBytes, info.kernel_sha256));
  content.initrd = TRY(load_part(path / "initrd", kMaxInitrdBytes, info.initrd_sha256));
  info.digest = to_hex(crypto::sha256(*text));
  info.path = path;
  info.kernel_bytes = content.kernel->size();
  info.initrd_bytes = content.initrd->size();
  return LoadedBundle(std::make_shared<const Content>(std::move(content)));
}

const BundleInfo& LoadedBundle::info() const {
  return content_->info;
}

Result<BundleInfo> read_bundle(const std::filesystem::path& path) {
  return TRY(LoadedBundle::load(path)).info();
}

std::filesystem::path default_bundle_path() {
  if (auto path = environment("BARTIZAN_BUNDLE")) return *path;
  const std::filesystem::path installed = "/usr/share/bartizan/bundle";
  std::filesystem::path own;
  if (auto cache = environment("XDG_CACHE_HOME")) {
    own = std::filesystem::path(*cache) / "bartizan/bundle";
  } else if (auto home = environment("HOME")) {
    own = std::filesystem::path(*home) / ".cache/bartizan/bundle";
  }
  std::error_code ignored;
  bool use_installed = own.empty() || (!std::filesystem::exists(own / "bundle.json", ignored) &&
                                       std::filesystem::exists(installed / "bundle.json", ignored));
  return use_installed ? installed : own;
}

}  // namespace bartizan
