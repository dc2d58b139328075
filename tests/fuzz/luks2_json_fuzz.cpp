// The JSON of a hostile LUKS2 header, and a hostile KRUN footer.
#include <cstdlib>

#include "image/builder/krun.hpp"
#include "image/luks2/header.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto luks2 = image::parse_luks2_json(text);
  if (luks2.ok() && luks2->keyslot.kdf != "pbkdf2") std::abort();
  auto footer = image::parse_krun_footer({data, size});
  if (footer.ok() && footer->size() + image::kKrunTrailerBytes > size) std::abort();
  (void)image::parse_krun_json(footer.ok() ? std::string_view(*footer) : text);
  return 0;
}
