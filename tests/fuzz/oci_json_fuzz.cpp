// Hostile manifests and indexes of an OCI layout: what parses holds only digests that are safe in a
// path.
#include <cstdlib>

#include "image/oci/image_manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto safe = [](const image::oci::Descriptor& descriptor) {
    if (descriptor.digest.find_first_of("/.") != std::string::npos) std::abort();
  };
  if (auto manifest = image::oci::parse_image_manifest(text, "fuzz"); manifest.ok()) {
    safe(manifest->config);
    for (const auto& layer : manifest->layers) safe(layer);
  }
  if (auto index = image::oci::parse_image_index(text, "fuzz"); index.ok()) {
    for (const auto& image : *index) safe(image);
  }
  return 0;
}
