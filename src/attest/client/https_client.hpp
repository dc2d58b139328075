// HttpsClient: requests to one server over one TLS connection, which it opens again when the server
// closed it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "attest/client/http_message.hpp"
#include "bartizan/secret_bytes.hpp"

namespace bartizan::attest::client {

struct HttpRequest {
  std::string method, path;
  std::vector<std::pair<std::string, std::string>> headers;
  SecretBytes body;
};

struct HttpResponse {
  int status = 0;
  MessageHead head;
  Bytes body;
};

class HttpsClient {
 public:
  // An answer's body has `max_body` bytes at most.
  static Result<HttpsClient> create(std::string_view url, std::string ca_pem, Deadline deadline,
                                    size_t max_body = kMaxBodyBytes);

  Result<HttpResponse> send(const HttpRequest& request);
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  struct Connection {
    Connection(TlsStream made, size_t max_body)
        : stream(std::move(made)), reader(stream, max_body) {}
    TlsStream stream;
    MessageReader reader;
  };
  HttpsClient(Endpoint endpoint, std::string ca_pem, Deadline deadline, size_t max_body)
      : endpoint_(std::move(endpoint)),
        ca_pem_(std::move(ca_pem)),
        deadline_(deadline),
        max_body_(max_body) {}
  Result<void> connect();
  Result<std::optional<HttpResponse>> exchange(const HttpRequest& request);

  Endpoint endpoint_;
  std::string ca_pem_;
  Deadline deadline_;
  size_t max_body_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace bartizan::attest::client
