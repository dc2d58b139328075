// HttpsServer: HTTP/1.1 over TLS 1.3 for one RequestHandler.
//
// All connections live on one thread, which never blocks, so a connection that waits for its peer
// costs memory and nothing else. Limits stand in front of what they protect:
//
//   accept    connections in all, of an address, new ones a second of an address (Admission)
//   TLS       a deadline for the handshake
//   reading   a deadline for head and body together; bounds of both
//   queue     requests a second of an address (429), then a queue that takes turns among addresses
//             and is bounded (503, Retry-After): WorkerPool
//   writing   a deadline
//
// "Address" is the group of a PeerAddress; of a trusted proxy's requests the one that it names.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attest/https/peer_address.hpp"
#include "attest/https/request_reader.hpp"
#include "bartizan/error.hpp"
#include "bartizan/log.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "base/unique_fd.hpp"
#include "crypto/ec.hpp"
#include "crypto/x509.hpp"

namespace bartizan::attest::https {

struct ServedReply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
  SecretBytes body;                                          // never logged
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // Of HEAD as of GET: the server leaves the body of the answer out.
  //
  // On the connections' thread, so without waiting for anything: an answer, or nothing, and then
  // answer() is called on a worker. Exceptions cost the request (500).
  virtual std::optional<ServedReply> answer_at_once(const ServedRequest& request) = 0;
  virtual ServedReply answer(ServedRequest request) = 0;
  // For what the server refuses itself: malformed (400), too large (413), too many requests (429),
  // no room (503). Any thread.
  virtual ServedReply refuse(int status, const Error& error) = 0;
};

struct HttpsServerOptions {
  double requests_per_second = 100, request_burst = 1000;  // of an address; of connections too
  std::vector<AddressPrefix> trusted_proxies;              // whose last X-Forwarded-For is believed
  size_t connections = 0;                                  // 0: of RLIMIT_NOFILE
  size_t connections_per_address = 512;                    // at most half of all
  size_t max_body = kMaxRequestBody;
  size_t workers = 0;  // 0: by processors
  size_t queue = 1024;
  std::chrono::milliseconds handshake{5'000};
  std::chrono::milliseconds request{10'000};  // from its first byte to its last
  std::chrono::milliseconds idle{60'000};     // between requests
  std::chrono::milliseconds write{30'000};
  std::chrono::milliseconds linger{2'000};  // for a peer to read the last answer
  std::chrono::milliseconds stop{5'000};    // for running answers
  LogSink log;                              // at most one line a minute
};

// Since the start, but for the first two.
struct ServerCounters {
  uint64_t connections = 0, queued = 0;
  uint64_t accepted = 0;
  uint64_t refused_address = 0, refused_rate = 0, refused_full = 0;  // connections, at accept
  uint64_t made_room = 0;  // idle connections that were closed for new ones
  uint64_t timed_out = 0, failed_handshakes = 0;
  uint64_t limited = 0, overloaded = 0;  // answers 429 and 503
  uint64_t answers[6] = {};              // by status / 100
};

class HttpsServer {
 public:
  // `listener` of listen_at(); `handler` outlives the server.
  static Result<std::unique_ptr<HttpsServer>> start(UniqueFd listener,
                                                    const crypto::Certificate& certificate,
                                                    const crypto::EcKey& key,
                                                    RequestHandler& handler,
                                                    HttpsServerOptions options);
  ~HttpsServer();
  uint16_t port() const;
  ServerCounters counters() const;  // any thread
  // No more connections; running answers get options.stop to end. Idempotent, any thread but the
  // server's own.
  void stop();

  struct State;

 private:
  explicit HttpsServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bartizan::attest::https
