// Stage network: the addresses of the in-process user network
// (docs/reference/guest-abi.md), set by ioctl.
#pragma once

#include "bartizan/result.hpp"

namespace bartizan::guest::init::system {

// What resolvers read; also written into the workload's root later.
constexpr const char* kResolvConf = "nameserver 10.0.2.3\n";  // guest_abi::kNameServerAddress

Result<void> bring_up_loopback();
// eth0: addresses and default routes, of IPv6 too if the kernel has it; /etc/resolv.conf of the
// initramfs.
Result<void> bring_up_network();

}  // namespace bartizan::guest::init::system
