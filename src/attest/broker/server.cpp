#include "attest/broker/server.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>

#include "attest/client/http_message.hpp"
#include "attest/client/kbs_protocol.hpp"
#include "base/errors.hpp"
#include "base/thread.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr std::string_view kOrigin = "attest/broker";
constexpr int kWorkers = 16;
constexpr int kBacklog = 256;
// A peer holds a worker no longer than this without a whole request; guests on an emulated
// processor take two.
constexpr uint32_t kRequestMs = 10'000;
constexpr int kRequestsPerConnection = 16;  // then others get their turn

using Addresses = std::unique_ptr<addrinfo, crypto::OpensslDelete<freeaddrinfo>>;

Result<UniqueFd> bind_to(const addrinfo& address, const std::string& name) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error(errno, std::string(kOrigin), name + ": socket");
  int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) == 0 &&
      ::listen(fd.get(), kBacklog) == 0)
    return fd;
  Error error = errno_error(errno, std::string(kOrigin), name + ": listen");
  if (error.os_errno == EADDRINUSE) {
    error.code = ErrorCode::already_exists;
    error.message +=
        ": another program, perhaps another broker, listens there; choose another port";
  }
  return error;
}

uint16_t port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

std::string text_of(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "unknown";
  if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text,
              sizeof text);
  } else {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text,
              sizeof text);
  }
  return text;
}

Result<std::shared_ptr<SSL_CTX>> server_context(const Identity& identity) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return crypto::openssl_error("TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(),
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
  if (SSL_CTX_use_certificate(context.get(), identity.tls_certificate.handle()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), identity.tls_key.handle()) != 1) {
    return crypto::openssl_error("TLS certificate and key", ErrorCode::corrupt);
  }
  return context;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
  }
  return "Internal Server Error";
}

Result<void> send_reply(client::TlsStream& stream, const BrokerReply& reply, bool last,
                        client::Deadline deadline) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", reply.status,
                  reason_phrase(reply.status), reply.content_type, reply.body.size());
  if (!reply.set_cookie.empty()) head += "Set-Cookie: " + reply.set_cookie + "\r\n";
  if (last) head += "Connection: close\r\n";
  TRY(stream.write(as_bytes(head + "\r\n"), deadline));
  return stream.write(reply.body.bytes(), deadline);
}

// A message that could not be read: the peer gets the reason, and the connection ends.
BrokerReply reply_unreadable(const Error& error) {
  int status = error.code == ErrorCode::resource_exhausted ? 413 : 400;
  return BrokerReply{
      status, "application/json", {}, SecretBytes::from_string(client::error_to_json(error))};
}

// "POST /kbs/v0/auth HTTP/1.1"; a query is not part of any of our paths.
Result<BrokerRequest> request_of(const client::MessageHead& head, const std::string& address) {
  std::string_view line = head.start_line;
  size_t first = line.find(' '), last = line.rfind(' ');
  bool good = first != std::string_view::npos && last > first + 1 &&
              line.substr(last + 1).starts_with("HTTP/1.") && line[first + 1] == '/' &&
              line.substr(first + 1, last - first - 1).find(' ') == std::string_view::npos;
  if (!good)
    return make_error(ErrorCode::protocol, std::string(kOrigin), "HTTP: request line is malformed");
  std::string_view path = line.substr(first + 1, last - first - 1);
  return BrokerRequest{std::string(line.substr(0, first)),
                       std::string(path.substr(0, path.find('?'))),
                       std::string(head.header("cookie")),
                       std::string(head.header("authorization")),
                       address,
                       {}};
}

struct Turn {
  BrokerReply reply;
  bool last = false;
};

// One request. Nothing: the peer closed.
Result<std::optional<Turn>> next_turn(client::TlsStream& stream, client::MessageReader& reader,
                                      const std::string& address, Service& service,
                                      client::Deadline deadline) {
  std::optional<client::MessageHead> head = TRY(reader.read_head(deadline));
  if (!head) return std::optional<Turn>();
  BrokerRequest request = TRY(request_of(*head, address));
  if (head->header("expect") == "100-continue") {
    TRY(client::body_length(*head));
    TRY(stream.write(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"), deadline));
  }
  request.body = TRY(reader.read_body(*head, deadline));
  return std::optional<Turn>(Turn{service.answer(request), head->wants_close()});
}

bool is_peers_fault(const Error& error) {
  return error.code == ErrorCode::protocol || error.code == ErrorCode::resource_exhausted;
}

}  // namespace

Result<UniqueFd> listen_at(const std::string& address, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  std::string name = fmt::format("{} port {}", address, port);
  if (int failure = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found)) {
    return make_error(ErrorCode::invalid_argument, std::string(kOrigin), "{}: {}", name,
                      ::gai_strerror(failure));
  }
  Addresses addresses(found);
  return bind_to(*found, name);
}

Result<std::unique_ptr<Server>> Server::start(UniqueFd listener, const Identity& identity,
                                              Service& service) {
  auto context = TRY(server_context(identity));
  UniqueFd stop_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event.valid()) return errno_error(errno, std::string(kOrigin), "eventfd");
  std::unique_ptr<Server> server(
      new Server(std::move(listener), std::move(stop_event), std::move(context), service));
  server->port_ = port_of(server->listener_.get());

  for (int i = 0; i < kWorkers; ++i) {
    server->workers_.push_back(
        TRY(start_thread("broker worker", [raw = server.get()] { raw->work(); })));
  }
  return server;
}

void Server::stop() {
  uint64_t one = 1;
  if (::write(stop_event_.get(), &one, sizeof one) < 0)
    return;  // cannot happen: the counter holds 2^64 - 2
  for (std::thread& worker : workers_) {
    if (worker.joinable()) worker.join();
  }
  listener_.reset();
}

void Server::work() {
  pollfd fds[2] = {{listener_.get(), POLLIN, 0}, {stop_event_.get(), POLLIN, 0}};
  while (true) {
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents) return;
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    UniqueFd socket(
        ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
    if (socket.valid()) {
      // What a request makes some code throw costs its connection and nothing else.
      (void)call_guarded("connection", [&] { serve(std::move(socket), text_of(peer)); });
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
      ::poll(&fds[1], 1, 100);  // out of descriptors: wait for some, do not spin
    }
  }
}

void Server::serve(UniqueFd socket, const std::string& address) {
  int one = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  auto stream = client::TlsStream::accept(
      std::move(socket), context_.get(), client::Deadline::after_ms(kRequestMs), stop_event_.get());
  if (!stream.ok()) return;
  client::MessageReader reader(*stream);
  for (int i = 1; i <= kRequestsPerConnection; ++i) {
    client::Deadline deadline = client::Deadline::after_ms(kRequestMs);
    auto turn = next_turn(*stream, reader, address, service_, deadline);
    if (!turn.ok() && is_peers_fault(turn.error()))
      turn = std::optional<Turn>(Turn{reply_unreadable(turn.error()), true});
    if (!turn.ok() || !turn->has_value()) break;
    bool last = (*turn)->last || i == kRequestsPerConnection;
    if (!send_reply(*stream, (*turn)->reply, last, deadline).ok() || last) break;
  }
  stream->close();
}

}  // namespace bartizan::attest::broker
