// A TEE configuration that somebody wrote, and that came from anywhere: what is accepted is within
// the limits of a launch, and becomes an image's configuration that names the same TEE.
#include <cstdlib>

#include "image/parts/krun.hpp"
#include "image/parts/tee_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  auto file = image::parts::parse_tee_config({reinterpret_cast<const char*>(data), size});
  if (!file.ok()) return 0;
  if (file->vcpus && (*file->vcpus == 0 || *file->vcpus > kMaxVcpus)) std::abort();
  if (file->ram_mib && (*file->ram_mib < kMinRamMib || *file->ram_mib > kMaxRamMib)) std::abort();
  image::parts::KrunConfig config;
  const Tee tee = file->tee.value_or(Tee::snp);
  if (!image::parts::set_tee(config, tee, file->tee_data.value_or("")).ok()) std::abort();
  auto said = image::parts::tee_of(config);
  if (!said.ok() || *said != tee) std::abort();
  return 0;
}
