// What an image says about its launch, in /krun-sev.json and in the KRUN footer: from the options
// that were given, then from their tee_config, then defaults.
#pragma once

#include "bartizan/image.hpp"
#include "image/parts/krun.hpp"

namespace bartizan::image::builder {

// Letters, digits, ".", "_" and "-" only, and not too many.
constexpr size_t kMaxWorkloadId = 128;
bool is_plain_name(std::string_view text);

// `workload_id` and `attestation_url` stay empty where neither gave one. The numbers are not
// checked. Errors as of parse_tee_config(), and invalid_argument: a `tee` or `tee_data` that is
// none, a name or an address of tee_config that no build takes.
Result<parts::KrunConfig> krun_settings(const BuildOptions& options);

}  // namespace bartizan::image::builder
