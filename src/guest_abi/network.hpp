// The guest's network, which the host's user-mode network serves and PID 1 configures by itself.
// docs/reference/guest-abi.md, "Network".
#pragma once

#include <cstddef>

namespace bartizan::guest_abi {

constexpr const char* kNetwork = "10.0.2.0";
constexpr const char* kNetworkMask = "255.255.255.0";
constexpr size_t kNetworkPrefix = 24;
constexpr const char* kNetworkBroadcast = "10.0.2.255";
constexpr const char* kGatewayAddress = "10.0.2.2";  // and, where it is allowed, host's loopback
constexpr const char* kNameServerAddress = "10.0.2.3";
constexpr const char* kGuestAddress = "10.0.2.15";

constexpr const char* kNetwork6 = "fd62:7a6e::";  // RFC 4193
constexpr size_t kNetworkPrefix6 = 64;
constexpr const char* kGatewayAddress6 = "fd62:7a6e::2";
constexpr const char* kNameServerAddress6 = "fd62:7a6e::3";
constexpr const char* kGuestAddress6 = "fd62:7a6e::15";

}  // namespace bartizan::guest_abi
