// The host's quote generation service (Intel's QGS): where it is, and its messages: a length in 4
// bytes, big endian, then a message of QGS' format, version 1.1.
#pragma once

#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::launch::tdx {

// Linux uses 128 KiB; a quote with its certificates has about 8.
constexpr uint64_t kMaxQuoteBuffer = kMiB;

// A path from "/" on: a unix socket. "vsock:CID:PORT": for services in a VM of their own, or that
// listen on the host's loopback CID. "": none. invalid_argument.
Result<void> check_quote_service(const std::string& service);
Result<UniqueFd> connect_to_quote_service(const std::string& service);

// One question and its answer, on a connected socket.
Result<Bytes> exchange_quote(int fd, const Bytes& report);

Bytes quote_message(ByteView report);
// corrupt: not an answer that holds a quote; the service's own error code is named.
Result<Bytes> quote_in_answer(ByteView message);

}  // namespace bartizan::vmm::launch::tdx
