// TlsStream: the client's end of one TLS connection (1.2 or later) over a non-blocking socket.
// Every call has a deadline; no call raises SIGPIPE. Confined to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attest/client/deadline.hpp"
#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/endpoint.hpp"

namespace bartizan::attest::client {

class TlsStream {
 public:
  // The peer must show a certificate for the endpoint's host that one of the authorities in
  // `ca_pem` signed. Errors: io with errno (unreachable), verification_failed reason "tls",
  // protocol (no TLS there), timed_out.
  static Result<TlsStream> connect(const Endpoint& endpoint, const std::string& ca_pem,
                                   Deadline deadline);

  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;
  ~TlsStream();

  Result<size_t> read(std::span<uint8_t> to, Deadline deadline);  // 0: the peer closed
  Result<void> write(ByteView from, Deadline deadline);
  void close();  // notifies the peer, without waiting

 private:
  struct State;
  explicit TlsStream(std::unique_ptr<State> state);
  Result<void> handshake(Deadline deadline);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::attest::client
