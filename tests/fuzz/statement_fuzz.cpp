// A workload statement as the broker reads it from a stranger, and the JWS that it is. None is
// signed by the key here, which is nobody's.
#include <cstdint>
#include <cstdlib>

#include "attest/evidence/workload_statement.hpp"
#include "base/bytes.hpp"

namespace {

constexpr const char* kNobodysKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan::attest;  // NOLINT: a test program
  const std::string_view text = bartizan::as_text({data, size});
  auto claimed = evidence::unverified_statement(text);
  if (claimed.ok() && (claimed->version == 0 || claimed->workload_digest.size() != 32))
    std::abort();
  if (evidence::verify_statement(text, kNobodysKey).ok()) std::abort();
  return 0;
}
