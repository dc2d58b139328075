// A launch secret is the owner's, but its page is the host's until the firmware writes it. What
// parses holds a passphrase, and is written again to a table that parses to the same.
#include <cstdint>
#include <cstdlib>

#include "manifest/launch_secret.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto secret = bartizan::parse_launch_secret({data, size});
  if (!secret.ok() || !secret->has_value()) return 0;
  auto table = bartizan::write_launch_secret(**secret);
  if (!table.ok()) return 0;  // longer than a launch takes
  auto again = bartizan::parse_launch_secret(table->bytes());
  bool same = again.ok() && again->has_value() &&
              (*again)->workload_digest == (*secret)->workload_digest &&
              (*again)->passphrase.equals((*secret)->passphrase);
  if (!same) std::abort();
  return 0;
}
