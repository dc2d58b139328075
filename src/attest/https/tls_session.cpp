#include "attest/https/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/errors.hpp"
#include "crypto/openssl.hpp"
#include "crypto/socket_bio.hpp"

namespace bartizan::attest::https {

Result<std::shared_ptr<SSL_CTX>> server_tls_context(const crypto::Certificate& certificate,
                                                    const crypto::EcKey& key) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return crypto::openssl_error("TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate(context.get(), certificate.handle()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.handle()) != 1) {
    return crypto::openssl_error("TLS certificate and key", ErrorCode::corrupt);
  }
  return context;
}

struct TlsSession::State {
  std::unique_ptr<SSL, crypto::OpensslDelete<SSL_free>> session;
  crypto::SocketTransport transport;

  TlsProgress progress_of(int result) {
    if (result > 0) return TlsProgress::done;
    int reason = SSL_get_error(session.get(), result);
    ERR_clear_error();
    switch (reason) {
      case SSL_ERROR_WANT_READ:
        return TlsProgress::want_read;
      case SSL_ERROR_WANT_WRITE:
        return TlsProgress::want_write;
      case SSL_ERROR_ZERO_RETURN:
        return TlsProgress::closed;
    }
    return TlsProgress::failed;
  }
};

TlsSession::TlsSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsSession::~TlsSession() = default;

Result<std::unique_ptr<TlsSession>> TlsSession::create(SSL_CTX* context, int socket) {
  auto state = std::make_unique<State>();
  state->transport.fd = socket;
  state->session.reset(SSL_new(context));
  BIO* bio = state->session ? crypto::make_socket_bio(state->transport) : nullptr;
  if (bio == nullptr) return crypto::openssl_error("TLS session", ErrorCode::resource_exhausted);
  SSL_set_bio(state->session.get(), bio, bio);
  SSL_set_accept_state(state->session.get());
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(state)));
}

TlsProgress TlsSession::handshake() {
  ERR_clear_error();
  return state_->progress_of(SSL_do_handshake(state_->session.get()));
}

TlsProgress TlsSession::read(std::span<uint8_t> to, size_t& got) {
  ERR_clear_error();
  got = 0;
  return state_->progress_of(SSL_read_ex(state_->session.get(), to.data(), to.size(), &got));
}

TlsProgress TlsSession::write(ByteView from, size_t& sent) {
  ERR_clear_error();
  sent = 0;
  return state_->progress_of(SSL_write_ex(state_->session.get(), from.data(), from.size(), &sent));
}

void TlsSession::shut_down() {
  ERR_clear_error();
  SSL_shutdown(state_->session.get());
  ERR_clear_error();
}

}  // namespace bartizan::attest::https
