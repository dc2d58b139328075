// The JSON of a hostile LUKS2 header.
#include <cstdlib>

#include "image/luks2/header.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  auto luks2 = image::luks2::parse_luks2_json({reinterpret_cast<const char*>(data), size});
  if (luks2.ok() && luks2->keyslot.kdf != "pbkdf2") std::abort();
  return 0;
}
