// A platform's certificates up to a root, around the fake firmware's own Diffie-Hellman key: what
// `sevctl export --full` would write on the host that TeeKernel plays (SEV API, appendices B and
// C).
#pragma once

#include <cstdint>
#include <vector>

namespace bartizan::fakes {

struct FakeChain {
  std::vector<uint8_t> certificates;  // PDH, PEK, OCA, CEK, ASK, ARK
  std::vector<uint8_t> root;  // the ARK alone: not AMD's, so that it must be trusted by name
};

// The same in the whole process: RSA keys take time.
const FakeChain& fake_chain();

}  // namespace bartizan::fakes
