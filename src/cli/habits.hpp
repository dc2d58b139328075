// What people try who come from podman or docker, and what bartizan has in its place. Most of it is
// missing by design: what a host could change would not be attested.
#pragma once

#include <string_view>

namespace bartizan::cli {

// All empty for a word without an answer.
std::string_view answer_to_command(std::string_view word);
std::string_view answer_to_run_option(std::string_view option);  // "-e", "--volume"
std::string_view answer_to_build_option(std::string_view option);
std::string_view answer_to_run_argument();
std::string_view answer_to_measure_argument();

}  // namespace bartizan::cli
