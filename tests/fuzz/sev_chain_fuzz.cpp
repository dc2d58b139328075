// Platform certificates come from the host that wants to launch a SEV guest. Whatever holds, holds
// up to a root of AMD: a chain with foreign bytes in a signed part must not.
#include <cstdint>
#include <cstdlib>

#include "attest/sev/platform_chain.hpp"
#include "base/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bartizan::ByteView bytes(data, size);
  auto platform = bartizan::attest::sev::verify_platform_chain(bytes, {});
  if (platform.ok() && platform->chip.size() != 32) std::abort();
  if (!platform.ok() && platform.error().message.empty()) std::abort();
  if (bartizan::attest::sev::check_root(bytes).ok() && size > bartizan::attest::sev::kMaxChainBytes)
    std::abort();
  return 0;
}
