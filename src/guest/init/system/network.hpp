// Stage network: the addresses of the in-process user network
// (docs/reference/guest-abi.md), set by ioctl.
#pragma once

#include "bartizan/result.hpp"

namespace bartizan::guest::init::system {

// What resolvers read; also written into the workload's root later.
constexpr const char* kResolvConf = "nameserver 10.0.2.3\n";

Result<void> bring_up_loopback();
Result<void> bring_up_network();  // eth0: address, default route; /etc/resolv.conf of the initramfs

}  // namespace bartizan::guest::init::system
