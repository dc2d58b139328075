// A launch secret is the owner's, but its page is the host's until the firmware writes it. What
// parses holds a disk key, and is written again to a table that parses to the same.
#include <cstdint>
#include <cstdlib>

#include "guest_abi/launch_secret.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto secret = bartizan::guest_abi::parse_launch_secret({data, size});
  if (!secret.ok() || !secret->has_value()) return 0;
  auto table = bartizan::guest_abi::write_launch_secret(**secret);
  if (!table.ok()) return 0;  // longer than a launch takes
  auto again = bartizan::guest_abi::parse_launch_secret(table->bytes());
  bool same = again.ok() && again->has_value() &&
              (*again)->workload_digest == (*secret)->workload_digest &&
              (*again)->disk_key.equals((*secret)->disk_key);
  if (!same) std::abort();
  return 0;
}
