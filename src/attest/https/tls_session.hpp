// TlsSession: the server's end of one TLS 1.3 connection over a non-blocking socket, which it
// borrows. No call waits: each says what it would wait for. A session that waits between messages
// keeps no buffers. Confined to one thread.
#pragma once

#include <memory>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "crypto/ec.hpp"
#include "crypto/x509.hpp"

typedef struct ssl_ctx_st SSL_CTX;  // NOLINT: OpenSSL's own name

namespace bartizan::attest::https {

// Without session tickets: each connection proves the key anew.
Result<std::shared_ptr<SSL_CTX>> server_tls_context(const crypto::Certificate& certificate,
                                                    const crypto::EcKey& key);

enum class TlsProgress {
  done,
  want_read,
  want_write,  // call again with the same arguments when the socket is ready
  closed,      // by the peer
  failed       // no TLS 1.3, or the connection broke
};

class TlsSession {
 public:
  static Result<std::unique_ptr<TlsSession>> create(SSL_CTX* context, int socket);
  ~TlsSession();

  TlsProgress handshake();
  TlsProgress read(std::span<uint8_t> to, size_t& got);
  TlsProgress write(ByteView from, size_t& sent);
  void shut_down();  // tells the peer that nothing follows

 private:
  struct State;
  explicit TlsSession(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::attest::https
