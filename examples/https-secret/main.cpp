// https-secret: serves one secret over HTTPS, one connection after the other. See README.md.
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "certificate.hpp"

namespace {

constexpr uint16_t kPort = 8443;
constexpr const char* kSecretFile = "/secret.txt";
constexpr int kWaiting = 16;               // connections in the queue
constexpr size_t kMaxRequestBytes = 8192;  // a client that never ends its header
constexpr time_t kTimeoutSeconds = 20;     // a client that says nothing

struct Answer {
  const char* status;
  std::string body;
  std::optional<int> exit_code;
};

std::string read_secret() {
  std::ifstream file(kSecretFile, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Answer answer_to(const std::string& request, const std::string& secret) {
  constexpr std::string_view kExit = "GET /exit?code=";
  if (request.starts_with("GET / ")) return {"200 OK", secret, {}};
  if (request.starts_with(kExit)) {
    int code = 0;
    const char* digits = request.data() + kExit.size();
    auto [end, problem] = std::from_chars(digits, request.data() + request.size(), code);
    if (problem == std::errc() && *end == ' ' && code >= 0 && code <= 255) {
      return {"200 OK", "exit " + std::to_string(code) + "\n", code};
    }
    return {"400 Bad Request", "code must be 0 to 255\n", {}};
  }
  return {"404 Not Found", "not here\n", {}};
}

std::string read_request(SSL* tls) {
  std::string request;
  char chunk[1024];
  while (request.find("\r\n\r\n") == std::string::npos && request.size() < kMaxRequestBytes) {
    int count = SSL_read(tls, chunk, sizeof chunk);
    if (count <= 0) return {};
    request.append(chunk, static_cast<size_t>(count));
  }
  return request;
}

// The exit code, if the client asked for one.
std::optional<int> serve(SSL* tls, const std::string& secret) {
  if (SSL_accept(tls) != 1) return {};
  std::string request = read_request(tls);
  if (request.empty()) return {};
  Answer answer = answer_to(request, secret);
  std::string text = std::string("HTTP/1.1 ") + answer.status +
                     "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                     std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
  SSL_write(tls, text.data(), static_cast<int>(text.size()));
  SSL_shutdown(tls);
  return answer.exit_code;
}

// After the last byte is sent, until the client has it: a process that ends at once could cut the
// answer off.
void linger(int connection) {
  char rest[256];
  ::shutdown(connection, SHUT_WR);
  while (::read(connection, rest, sizeof rest) > 0) {
  }
}

int listen_on_port() {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  bool ready = ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
               ::listen(listener, kWaiting) == 0;
  return ready ? listener : -1;
}

int run(SSL_CTX* context, int listener, const std::string& secret) {
  for (;;) {
    int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const timeval limit{kTimeoutSeconds, 0};
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    SSL* tls = SSL_new(context);
    SSL_set_fd(tls, connection);
    std::optional<int> exit_code = serve(tls, secret);
    SSL_free(tls);
    linger(connection);
    ::close(connection);
    if (exit_code) return *exit_code;
  }
}

}  // namespace

int main() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTERM, [](int) { ::_exit(0); });
  TlsContext context = make_server_context();
  int listener = listen_on_port();
  if (!context || listener < 0) {
    std::perror("https-secret: cannot serve");
    return 1;
  }
  std::printf("https-secret: listening on port %u\n", kPort);
  std::fflush(stdout);
  return run(context.get(), listener, read_secret());
}
