// A TLS client that does what a well-behaved one does not: from a loopback address of its choice,
// byte by byte, or not at all. It blocks, with a time limit on every call.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <csignal>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace bartizan::test {

constexpr int kRawSeconds = 50;

// Connected, without TLS. Invalid: refused.
inline UniqueFd raw_connect(uint16_t port, const std::string& from = "127.0.0.1") {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, from.c_str(), &address.sin_addr);
  int one = 1;
  ::setsockopt(fd.get(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  timeval limit{kRawSeconds, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

// Whether the peer has closed, within kRawSeconds.
inline bool is_closed(const UniqueFd& fd) {
  char byte;
  ssize_t got = ::recv(fd.get(), &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

class RawClient {
 public:
  // `open()` tells whether it came about.
  explicit RawClient(uint16_t port, const std::string& from = "127.0.0.1")
      : fd_(raw_connect(port, from)) {
    static const bool ignored = ::signal(SIGPIPE, SIG_IGN) != SIG_ERR;
    static const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    (void)ignored;
    if (!fd_.valid()) return;
    session_.reset(SSL_new(context.get()), SSL_free);
    SSL_set_fd(session_.get(), fd_.get());
    if (SSL_connect(session_.get()) != 1) session_.reset();
  }
  bool open() const { return session_ != nullptr; }
  int version() const { return SSL_version(session_.get()); }
  const UniqueFd& socket() const { return fd_; }

  bool send(std::string_view text) {
    return SSL_write(session_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  // Tells the server that nothing follows, and still reads.
  void half_close() {
    SSL_shutdown(session_.get());
    ::shutdown(fd_.get(), SHUT_WR);
  }

  struct Answer {
    int status = 0;  // 0: none came
    std::string head, body;
    bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
  };
  // One answer with a Content-Length. `with_body` false: of HEAD.
  Answer receive(bool with_body = true) {
    Answer answer;
    size_t end;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return answer;
    }
    answer.head = input_.substr(0, end + 2);
    input_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    size_t at = answer.head.find("Content-Length: ");
    size_t length = at == std::string::npos ? 0 : std::stoul(answer.head.substr(at + 16));
    while (with_body && input_.size() < length) {
      if (!more()) return answer;
    }
    answer.body = input_.substr(0, with_body ? length : 0);
    input_.erase(0, answer.body.size());
    return answer;
  }
  Answer ask(std::string_view request) { return send(request) ? receive() : Answer(); }
  Answer get(const std::string& path, const std::string& headers = "") {
    return ask("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
  }
  Answer post(const std::string& path, const std::string& body, const std::string& headers = "") {
    return ask("POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
  }
  // Whether the server has closed, within kRawSeconds.
  bool ended() { return input_.empty() && !more(); }

 private:
  bool more() {
    char block[4096];
    int got = SSL_read(session_.get(), block, sizeof block);
    if (got > 0) input_.append(block, static_cast<size_t>(got));
    return got > 0;
  }

  UniqueFd fd_;
  std::shared_ptr<SSL> session_;
  std::string input_;
};

}  // namespace bartizan::test
