// A hostile bundle.json: what parses must serialise to a document that parses to the same.
#include <cstdlib>

#include "plan/bundle/bundle_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  auto info = plan::bundle::parse_bundle_json({reinterpret_cast<const char*>(data), size});
  if (!info.ok()) return 0;
  auto text = plan::bundle::bundle_json(*info);
  if (!text.ok()) std::abort();
  auto again = plan::bundle::parse_bundle_json(*text);
  if (!again.ok() || again->command_line != info->command_line ||
      again->kernel_sha256 != info->kernel_sha256 ||
      again->kernel_release != info->kernel_release || again->tees != info->tees) {
    std::abort();
  }
  return 0;
}
