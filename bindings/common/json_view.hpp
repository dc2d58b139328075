// The JSON form of public results: members are named as in include/bartizan/, bytes are lower-case
// hexadecimal, and no secret is ever in it. `manifest` is the manifest's exact text, because its
// digest is what counts.
//
// to_text never throws for bytes that are no UTF-8 (a file name in a message can hold any): it
// replaces them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/attest.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::view {

// Ordered: a person reads it too.
using Json = nlohmann::ordered_json;

Json to_json(const Error& error);
Json to_json(const HostProbe& probe);
Json to_json(const Measurement& measurement);
Json to_json(const std::vector<Measurement>& measurements);
Json to_json(const IdBlock& block);
Json to_json(const BundleInfo& bundle);
Json to_json(const BuildReport& report);
Json to_json(const ImageInfo& info);
Json to_json(const ImageDifference& difference);
Json to_json(const std::vector<ImageDifference>& differences);
Json to_json(const VerifiedEvidence& evidence);
Json to_json(const ExitReason& reason);
Json to_json(const MachineStats& stats);
Json to_json(const std::vector<PublishedPort>& ports);

std::string to_text(const Json& json, int indent = -1);

// "exit_code" for ExitKind::exit_code.
std::string_view to_string(ExitKind kind);

}  // namespace bartizan::view
