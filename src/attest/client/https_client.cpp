#include "attest/client/https_client.hpp"

#include <openssl/crypto.h>

#include "base/errors.hpp"

namespace bartizan::attest::client {
namespace {

constexpr std::string_view kOrigin = "attest/http";

std::string head_of(const HttpRequest& request, const Endpoint& endpoint) {
  bool is_v6 = endpoint.host.find(':') != std::string::npos;
  std::string head = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Length: {}\r\n", request.method, request.path,
      is_v6 ? "[" + endpoint.host + "]" : endpoint.host, endpoint.port, request.body.size());
  for (const auto& [name, value] : request.headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + "\r\n";
}

// "HTTP/1.1 200 OK"
Result<int> status_of(std::string_view line) {
  bool good = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ';
  int status = 0;
  for (size_t i = 9; good && i < 12; ++i) {
    good = line[i] >= '0' && line[i] <= '9';
    status = status * 10 + (line[i] - '0');
  }
  if (!good || status < 200 || (line.size() > 12 && line[12] != ' ')) {
    return make_error(ErrorCode::protocol, std::string(kOrigin), "HTTP: status line is malformed");
  }
  return status;
}

}  // namespace

Result<HttpsClient> HttpsClient::create(std::string_view url, std::string ca_pem, Deadline deadline,
                                        size_t max_body) {
  return HttpsClient(TRY(Endpoint::parse(url)), std::move(ca_pem), deadline, max_body);
}

Result<void> HttpsClient::connect() {
  connection_ = std::make_unique<Connection>(TRY(TlsStream::connect(endpoint_, ca_pem_, deadline_)),
                                             max_body_);
  return {};
}

// Nothing: the server closed the connection before it answered, as servers do with idle ones.
Result<std::optional<HttpResponse>> HttpsClient::exchange(const HttpRequest& request) {
  // headers may hold a token
  SecretBytes message = SecretBytes::from_string(head_of(request, endpoint_));
  TRY(connection_->stream.write(message.bytes(), deadline_));
  TRY(connection_->stream.write(request.body.bytes(), deadline_));
  std::optional<MessageHead> head = TRY(connection_->reader.read_head(deadline_));
  if (!head) return std::optional<HttpResponse>();
  int status = TRY(status_of(head->start_line));
  Bytes body = TRY(connection_->reader.read_body(*head, deadline_));
  if (head->wants_close()) connection_.reset();
  return std::optional<HttpResponse>(HttpResponse{status, std::move(*head), std::move(body)});
}

Result<HttpResponse> HttpsClient::send(const HttpRequest& request) {
  bool reused = connection_ != nullptr;
  if (!reused) TRY(connect());
  auto answer = exchange(request);
  bool closed = answer.ok() ? !answer->has_value() : answer.error().code == ErrorCode::io;
  if (reused && closed) {
    TRY(connect());
    answer = exchange(request);
  }
  std::optional<HttpResponse> response = TRY(std::move(answer));
  if (response) return std::move(*response);
  return make_error(ErrorCode::io, std::string(kOrigin), "{}: closed without an answer",
                    endpoint_.url);
}

}  // namespace bartizan::attest::client
