// How digests of launches are printed.
#pragma once

#include <vector>

#include "bartizan/tee.hpp"
#include "cli/output.hpp"

namespace bartizan::cli {

// One digest. `pages`: and the pages that are measured, in order.
void print_measurement(const Measurement& measurement, bool pages, Printer& output);

// The digests of several variants of a launch: at least one.
void print_measurement_set(const std::vector<Measurement>& set, bool pages, Printer& output);

}  // namespace bartizan::cli
