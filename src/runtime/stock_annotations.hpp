// Annotations by which a container steers the stock runtime itself: another handler, hooks, other
// groups, properties of systemd. podman takes annotations from images, whose authors may be
// anybody, so a confidential container is handed on without them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace bartizan::runtime {

// Of crun, runc and their libraries; those that engines set for every container are not among them.
bool steers_stock_runtime(std::string_view annotation);

// Takes them out of config.json.
void remove_stock_annotations(Json& config);

// A line for each that is taken out.
std::vector<std::string> annotation_remarks(const Json& config);

}  // namespace bartizan::runtime
