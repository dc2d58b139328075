// The end of a hostile disk: the KRUN footer and the JSON in it. What parses lies inside, and what
// we write of it parses to the same.
#include <cstdlib>

#include "image/parts/krun.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto footer = image::parts::parse_krun_footer({data, size});
  if (footer.ok()) {
    if (footer->size() + image::parts::kKrunTrailerBytes > size) std::abort();
    auto again = image::parts::parse_krun_footer(image::parts::krun_footer(*footer));
    if (!again.ok() || *again != *footer) std::abort();
  }
  auto config = image::parts::parse_krun_json(footer.ok() ? std::string_view(*footer) : text);
  if (!config.ok()) return 0;
  auto json = image::parts::krun_json(*config);
  if (!json.ok()) return 0;  // text that is not UTF-8
  auto again = image::parts::parse_krun_json(*json);
  bool same = again.ok() && again->workload_id == config->workload_id &&
              again->attestation_url == config->attestation_url && again->vcpus == config->vcpus &&
              again->ram_mib == config->ram_mib && again->tee == config->tee &&
              again->tee_data == config->tee_data;
  if (!same) std::abort();
  return 0;
}
