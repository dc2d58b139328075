#include "runtime/stock_annotations.hpp"

#include <algorithm>
#include <array>

#include "base/errors.hpp"
#include "runtime/config_parts.hpp"

namespace bartizan::runtime {
namespace {

constexpr std::array<std::string_view, 4> kSteering = {"run.oci.", "module.wasm.",
                                                       "org.systemd.property.", "org.criu."};
// podman's for SELinux, and CRI-O's for the end of the host.
constexpr std::array<std::string_view, 5> kOfEngines = {
    "run.oci.mount_context_type", "org.systemd.property.After", "org.systemd.property.CollectMode",
    "org.systemd.property.DefaultDependencies", "org.systemd.property.TimeoutStopUSec"};

}  // namespace

bool steers_stock_runtime(std::string_view annotation) {
  if (std::ranges::find(kOfEngines, annotation) != kOfEngines.end()) return false;
  return std::ranges::any_of(
      kSteering, [&](std::string_view prefix) { return annotation.starts_with(prefix); });
}

void remove_stock_annotations(Json& config) {
  const auto annotations = config.find("annotations");
  if (annotations == config.end() || !annotations->is_object()) return;
  for (auto at = annotations->begin(); at != annotations->end();)
    at = steers_stock_runtime(at.key()) ? annotations->erase(at) : std::next(at);
}

std::vector<std::string> annotation_remarks(const Json& config) {
  std::vector<std::string> remarks;
  const Json& annotations = member(config, "annotations");
  if (!annotations.is_object()) return remarks;
  for (const auto& [name, value] : annotations.items())
    if (steers_stock_runtime(name))
      remarks.push_back(fmt::format(
          "annotation {}: left out, because it steers the stock runtime and an image may bring it",
          shown(name)));
  return remarks;
}

}  // namespace bartizan::runtime
