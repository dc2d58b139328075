// What `bartizan up` and `bartizan doctor` share.
#pragma once

#include "bartizan/tee.hpp"

namespace bartizan::cli {

// The TEE to launch in on this host, by what it protects from: snp, tdx, sev-es, sev, then
// simulated, which protects nothing. none: no guest can be launched here.
Tee strongest_tee(const HostProbe& host);

}  // namespace bartizan::cli
