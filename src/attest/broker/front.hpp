// Front: what stands between the HTTPS server and the Service: which methods a path has, health,
// readiness and metrics, and the statuses that clients of the KBS protocol expect. Any thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>

#include "attest/broker/service.hpp"
#include "attest/https/server.hpp"
#include "base/mutex.hpp"

namespace bartizan::attest::broker {

class Front : public https::RequestHandler {
 public:
  explicit Front(Service& service) : service_(service) {}

  // Whose counters /metrics shows; until then none. It outlives the last request.
  void count_with(const https::HttpsServer& server) { server_ = &server; }

  // When the certificates end, for /metrics: seconds since the epoch.
  void show_ends(int64_t authority, int64_t server) {
    authority_ends_ = authority;
    server_ends_ = server;
  }

  std::optional<https::ServedReply> answer_at_once(const https::ServedRequest& request) override;
  https::ServedReply answer(https::ServedRequest request) override;
  https::ServedReply refuse(int status, const Error& error) override;

 private:
  https::ServedReply ready();
  https::ServedReply metrics();
  void count(std::string_view decision, const std::string& reason);

  Service& service_;
  std::atomic<const https::HttpsServer*> server_ = nullptr;
  std::atomic<int64_t> authority_ends_ = 0, server_ends_ = 0;
  Mutex mutex_;
  // What was decided about evidence, by decision and reason.
  std::map<std::pair<std::string, std::string>, uint64_t> decisions_ BARTIZAN_GUARDED_BY(mutex_);
};

// Of a path below /kbs/v0/ the clients understand 401 and 404: 400, 403 and 409 are 401 there. What
// is no answer to a request of the protocol (413, 429, 5xx) is the same everywhere.
int status_for_path(std::string_view path, int status);

}  // namespace bartizan::attest::broker
