// A hostile modules.dep: no path may lead out of its folder, and circles and depth must end.
#include <cstdlib>

#include "plan/bundle/create/modules.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  auto index = plan::bundle::create::ModuleIndex::parse({reinterpret_cast<const char*>(data), size},
                                                        "k/builtin.ko\n");
  if (!index.ok()) return 0;
  const plan::bundle::create::WantedModule wanted[] = {
      {"dm_crypt", false}, {"erofs", false}, {"builtin"}, {"a", false}};
  auto order = index->load_order(wanted);
  if (!order.ok()) return 0;
  for (const auto& path : *order) {
    if (path.starts_with('/') || path.find("..") != std::string::npos) std::abort();
  }
  return 0;
}
