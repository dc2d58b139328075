// Server: HTTPS/1.1 on worker threads of its own, for one Service. Every connection has a deadline
// for its handshake and for each request, so a peer that is slow on purpose costs one worker for
// seconds, not for ever.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "attest/broker/identity.hpp"
#include "attest/broker/service.hpp"
#include "attest/client/tls_stream.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::attest::broker {

// A socket that listens. already_exists: address in use; invalid_argument: no address;
// permission_denied, io.
Result<UniqueFd> listen_at(const std::string& address, uint16_t port);

class Server {
 public:
  // `listener` of listen_at().
  static Result<std::unique_ptr<Server>> start(UniqueFd listener, const Identity& identity,
                                               Service& service);
  ~Server() { stop(); }
  uint16_t port() const { return port_; }
  void stop();  // idempotent

 private:
  Server(UniqueFd listener, UniqueFd stop_event, std::shared_ptr<SSL_CTX> context, Service& service)
      : listener_(std::move(listener)),
        stop_event_(std::move(stop_event)),
        context_(std::move(context)),
        service_(service) {}
  void work();
  void serve(UniqueFd socket, const std::string& address);

  UniqueFd listener_, stop_event_;
  std::shared_ptr<SSL_CTX> context_;
  Service& service_;
  uint16_t port_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace bartizan::attest::broker
