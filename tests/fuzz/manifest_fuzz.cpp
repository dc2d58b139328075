// The manifest comes from the host and is read before anything is verified. What parses must have
// exactly one text.
#include <cstdint>
#include <cstdlib>

#include "guest_abi/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto manifest = bartizan::guest_abi::Manifest::parse({data, size});
  if (!manifest.ok()) return 0;
  auto text = manifest->serialize();
  if (!text.ok() || text->size() != size) std::abort();
  return 0;
}
