// A socket that listens.
#pragma once

#include <cstdint>
#include <string>

#include "bartizan/result.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::attest::https {

// Non-blocking. already_exists: address in use; invalid_argument: no address; permission_denied,
// io.
Result<UniqueFd> listen_at(const std::string& address, uint16_t port);
uint16_t port_of(int listener);

}  // namespace bartizan::attest::https
