// Connections to the host over vsock. The host is hostile: every wait and every length has its
// bound.
#pragma once

#include <span>

#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::guest::init::host {

Result<UniqueFd> connect_to_host(uint32_t port);

// Exactly `to.size()` bytes; protocol if the peer closes earlier, timed_out if it is silent.
Result<void> receive(int socket, std::span<uint8_t> to, std::string_view what);

// u32 length (little endian), then that many bytes; more than `limit` is protocol.
Result<Bytes> receive_block(int socket, uint32_t limit, std::string_view what);

// All bytes up to the peer's close, at least one and at most `limit`.
Result<SecretBytes> receive_secret(int socket, size_t limit, std::string_view what);

}  // namespace bartizan::guest::init::host
