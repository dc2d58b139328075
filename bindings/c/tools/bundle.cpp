// Making guest bundles.
#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

extern "C" {

int32_t bartizan_bundle_create(const bartizan_bundle_options* options, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    const auto to = TRY(from_c(options));
    return give_json(bz::create_bundle(to), json);
  });
}

}  // extern "C"
