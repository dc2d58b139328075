// The TEE configuration as a person writes it for libkrun, oci2cw or buildah mkcw, and gives it to
// a build: the six keys of krun.hpp. Stricter than what reads an image's: a key that nobody knows
// is a slip of the pen.
#pragma once

#include <optional>
#include <string>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"

namespace bartizan::image::parts {

// Nothing for a key that is not there, and for a text that is empty.
struct TeeConfig {
  std::optional<std::string> workload_id, attestation_url, tee_data;
  std::optional<uint32_t> vcpus, ram_mib;
  std::optional<Tee> tee;
};

// corrupt: not JSON. invalid_argument names key and value: an unknown key, another type, a number
// beyond the limits of a launch, a TEE that bartizan has not, data that is not JSON. Pure.
Result<TeeConfig> parse_tee_config(std::string_view text);

}  // namespace bartizan::image::parts
