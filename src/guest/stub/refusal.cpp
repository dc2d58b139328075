#include "guest/stub/refusal.hpp"

#include "guest/stub/ghcb.hpp"
#include "guest/stub/platform.hpp"
#include "guest/stub/tdx.hpp"

namespace bartizan::guest::stub {

// docs/reference/guest-abi.md, "Control device": an exit report of kind 2, a failed stage; stage 0
// is the launch.
constexpr uint16_t kExitPort = 0x0b04;
constexpr uint32_t kStageFailed = 2u << 24;

void refuse(StubPlatform platform, StubRefusal why) {
  auto number = static_cast<uint32_t>(why);
  switch (platform) {
    case StubPlatform::none:
    case StubPlatform::simulated:
    case StubPlatform::sev:
      platform::out32(kExitPort, kStageFailed | number << 8);
      break;
    case StubPlatform::sev_es:
    case StubPlatform::snp:
      ghcb_terminate(number);
    case StubPlatform::tdx:
      tdx_fatal_error(number);
  }
  platform::triple_fault();  // also when the table does not name the platform
}

}  // namespace bartizan::guest::stub
