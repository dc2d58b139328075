#include "krun/host_files.hpp"

#include <unistd.h>

#include "base/errors.hpp"
#include "runtime/choices.hpp"

namespace bartizan::krun {
namespace {

constexpr char kOrigin[] = "krun";
constexpr char kImageBundle[] = "/.bartizan/bundle";

// A file of every confidential image, and one that crun writes into the root folder of each.
bool in_container() {
  return ::access("/krun-sev.json", F_OK) == 0 && ::access("/.krun_config.json", F_OK) == 0;
}

Result<HostFiles> read_in_container() {
  auto bundle = LoadedBundle::load(kImageBundle);
  if (bundle.ok()) return HostFiles{{}, *std::move(bundle)};
  return make_error(bundle.error().code, kOrigin,
                    "{}: crun up to 1.20 loads the guest bundle inside the container, where the "
                    "host's is not seen: use crun 1.21 or newer, or put the bundle into the image "
                    "(`COPY bundle {}` on top of it)",
                    bundle.error().message, kImageBundle);
}

}  // namespace

Result<HostFiles> read_host_files() {
  if (in_container()) return read_in_container();
  auto settings = TRY(runtime::read_settings(""));
  auto bundle = TRY(LoadedBundle::load(runtime::bundle_of({}, settings)));
  return HostFiles{std::move(settings), std::move(bundle)};
}

}  // namespace bartizan::krun
