#include "attest/client/tls_stream.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/errors.hpp"
#include "base/unique_fd.hpp"
#include "crypto/openssl.hpp"
#include "crypto/socket_bio.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::client {
namespace {

constexpr std::string_view kOrigin = "attest/tls";

using SslContext = std::unique_ptr<SSL_CTX, crypto::OpensslDelete<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, crypto::OpensslDelete<SSL_free>>;
using Addresses = std::unique_ptr<addrinfo, crypto::OpensslDelete<freeaddrinfo>>;

Error late(std::string_view peer, std::string_view operation) {
  return make_error(ErrorCode::timed_out, std::string(kOrigin), "{}: {}: time limit passed", peer,
                    operation);
}

Result<void> wait_for(int fd, short events, Deadline deadline, std::string_view peer) {
  pollfd waited{fd, events, 0};
  while (true) {
    int ready = ::poll(&waited, 1, deadline.remaining_ms());
    if (ready < 0 && errno != EINTR) return errno_error(errno, std::string(kOrigin), "poll");
    if (ready > 0) return {};
    if (deadline.passed()) return late(peer, "wait");
  }
}

bool is_address(const std::string& host) {
  uint8_t buffer[16];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

// A numeric host asks no resolver, so a guest needs none for it.
Result<Addresses> resolve(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (is_address(endpoint.host) ? AI_NUMERICHOST : 0);
  addrinfo* found = nullptr;
  int failure = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
  if (failure == 0) return Addresses(found);
  return Error{ErrorCode::io,
               failure == EAI_SYSTEM ? errno : EHOSTUNREACH,
               std::string(kOrigin),
               fmt::format("{}: host name: {}", endpoint.url, ::gai_strerror(failure)),
               {},
               {},
               {}};
}

// 0 or the errno of the attempt; a Result's error only for what ends all attempts (deadline).
Result<int> try_connect(int fd, const addrinfo& address, Deadline deadline,
                        const std::string& url) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  TRY(wait_for(fd, POLLOUT, deadline, url));
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
  return failure;
}

Result<UniqueFd> connect_socket(const Endpoint& endpoint, Deadline deadline) {
  Addresses addresses = TRY(resolve(endpoint));
  int failure = EHOSTUNREACH;
  for (const addrinfo* address = addresses.get(); address; address = address->ai_next) {
    UniqueFd fd(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) {
      failure = errno;
      continue;
    }
    failure = TRY(try_connect(fd.get(), *address, deadline, endpoint.url));
    if (failure == 0) return fd;
  }
  const char* hint = failure == ECONNREFUSED ? ": no broker listens there" : "";
  Error error = errno_error(failure, std::string(kOrigin), endpoint.url + ": connect" + hint);
  error.code = ErrorCode::io;  // whatever the errno: the peer cannot be reached
  return error;
}

Result<SslContext> client_context(const std::string& ca_pem) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return crypto::openssl_error("TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);  // bodies carry their length
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  auto authorities = crypto::Certificate::all_from_pem(ca_pem);
  if (!authorities.ok()) {
    return make_error(ErrorCode::invalid_argument, std::string(kOrigin),
                      "broker's certificate authority: not PEM");
  }
  for (const crypto::Certificate& authority : *authorities) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.handle());
  }
  ERR_clear_error();
  return context;
}

Result<void> expect_host(SSL* session, const std::string& host) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(session);
  // A pinned certificate is an authority too, even if it is not self-signed.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  bool good = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1
                               : SSL_set1_host(session, host.c_str()) == 1 &&
                                     SSL_set_tlsext_host_name(session, host.c_str()) == 1;
  if (!good) return crypto::openssl_error("TLS: host name");
  return {};
}

}  // namespace

struct TlsStream::State {
  UniqueFd fd;
  Session session;
  crypto::SocketTransport transport;
  std::string peer;

  Result<void> attach() {
    transport.fd = fd.get();
    BIO* bio = crypto::make_socket_bio(transport);
    if (bio == nullptr) return crypto::openssl_error("TLS session");
    SSL_set_bio(session.get(), bio, bio);
    return {};
  }

  // After an SSL call gave `result`: waits until it can be repeated (true), or returns why not.
  // false: peer closed.
  Result<bool> may_repeat(int result, std::string_view operation, Deadline deadline) {
    switch (SSL_get_error(session.get(), result)) {
      case SSL_ERROR_WANT_READ:
        TRY(wait_for(fd.get(), POLLIN, deadline, peer));
        return true;
      case SSL_ERROR_WANT_WRITE:
        TRY(wait_for(fd.get(), POLLOUT, deadline, peer));
        return true;
      case SSL_ERROR_ZERO_RETURN:
        return false;
    }
    return failure(operation);
  }

  Error failure(std::string_view operation) {
    long verdict = SSL_get_verify_result(session.get());
    if (verdict != X509_V_OK) {
      ERR_clear_error();
      return refused(std::string(kOrigin), "tls",
                     "a certificate for this host by the broker's authority",
                     X509_verify_cert_error_string(verdict),
                     "{}: the peer's certificate is not trusted", peer);
    }
    if (transport.error) {
      ERR_clear_error();
      return errno_error(transport.error, std::string(kOrigin),
                         fmt::format("{}: {}", peer, operation));
    }
    return crypto::openssl_error(fmt::format("{}: TLS {}", peer, operation), ErrorCode::protocol);
  }
};

TlsStream::TlsStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;
TlsStream::~TlsStream() = default;

Result<TlsStream> TlsStream::connect(const Endpoint& endpoint, const std::string& ca_pem,
                                     Deadline deadline) {
  SslContext context = TRY(client_context(ca_pem));
  auto state = std::make_unique<State>();
  state->peer = endpoint.url;
  state->fd = TRY(connect_socket(endpoint, deadline));
  state->session.reset(SSL_new(context.get()));
  if (!state->session) return crypto::openssl_error("TLS session");
  TRY(state->attach());
  TRY(expect_host(state->session.get(), endpoint.host));
  SSL_set_connect_state(state->session.get());
  TlsStream stream(std::move(state));
  TRY(stream.handshake(deadline));
  return stream;
}

Result<void> TlsStream::handshake(Deadline deadline) {
  while (true) {
    ERR_clear_error();
    int result = SSL_do_handshake(state_->session.get());
    if (result == 1) return {};
    if (!TRY(state_->may_repeat(result, "handshake", deadline)))
      return state_->failure("handshake");
  }
}

Result<size_t> TlsStream::read(std::span<uint8_t> to, Deadline deadline) {
  while (true) {
    ERR_clear_error();
    int result = SSL_read(state_->session.get(), to.data(), static_cast<int>(to.size()));
    if (result > 0) return static_cast<size_t>(result);
    if (!TRY(state_->may_repeat(result, "read", deadline))) return size_t{0};
  }
}

Result<void> TlsStream::write(ByteView from, Deadline deadline) {
  while (!from.empty()) {
    ERR_clear_error();
    int result = SSL_write(state_->session.get(), from.data(), static_cast<int>(from.size()));
    if (result > 0) {
      from = from.subspan(static_cast<size_t>(result));
    } else if (!TRY(state_->may_repeat(result, "write", deadline))) {
      return make_error(ErrorCode::protocol, std::string(kOrigin),
                        "{}: closed while being written to", state_->peer);
    }
  }
  return {};
}

void TlsStream::close() {
  if (!state_ || !state_->session) return;
  SSL_shutdown(state_->session.get());
  ERR_clear_error();
}

}  // namespace bartizan::attest::client
