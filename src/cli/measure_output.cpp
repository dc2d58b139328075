#include "cli/measure_output.hpp"

#include <fmt/core.h>

#include "base/bytes.hpp"

namespace bartizan::cli {

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

void add_pages(const Measurement& measurement, Lines* lines) {
  for (const MeasuredPage& page : measurement.pages)
    lines->emplace_back(fmt::format("  {:#x}", page.guest_address),
                        fmt::format("{}, {}: {}", page.kind, page.count, page.what));
}

std::string cost(const Measurement& measurement) {
  std::string text = std::to_string(measurement.page_count);
  if (measurement.launch_milliseconds == 0) return text;
  return fmt::format("{} through the security processor: about {} ms", text,
                     measurement.launch_milliseconds);
}

std::string variant(const Measurement& measurement) {
  std::string text = fmt::format("{} vCPUs", measurement.vcpus);
  if (!measurement.vcpu_type.empty()) text += ", " + measurement.vcpu_type;
  if (measurement.vcpu_signature) text += fmt::format(", {:#x}", measurement.vcpu_signature);
  if (measurement.c_bit) text += fmt::format(", C-bit {}", measurement.c_bit);
  return fmt::format("{}, host kernel {}", text, to_string(measurement.host_kernel));
}

}  // namespace

void print_measurement(const Measurement& measurement, bool pages, Printer& output) {
  Lines lines = {{"tee", std::string(to_string(measurement.tee))},
                 {"digest", to_hex(measurement.digest)},
                 {"pages", cost(measurement)}};
  for (size_t i = 0; i < measurement.rtmrs.size(); ++i)
    lines.emplace_back(fmt::format("RTMR {}", i), to_hex(measurement.rtmrs[i]));
  if (pages) add_pages(measurement, &lines);
  output.result(view::to_json(measurement), lines);
}

void print_measurement_set(const std::vector<Measurement>& set, bool pages, Printer& output) {
  Lines lines;
  view::Json json = view::to_json(set);
  for (size_t i = 0; i < set.size(); ++i) {
    lines.emplace_back(to_hex(set[i].digest), variant(set[i]));
    if (pages) add_pages(set[i], &lines);
    if (!pages) json[i].erase("pages");
  }
  output.result({{"tee", to_string(set.front().tee)}, {"measurements", json}}, lines);
}

}  // namespace bartizan::cli
