// Service: what the broker answers, without sockets. Guests' side: KBS 0.4.0. Side of hosts that
// launch SEV guests: sev_launches. Owner's side: resources, workloads, audit, under the admin
// token. Any thread.
#pragma once

#include <functional>
#include <string>

#include "attest/broker/rate_limit.hpp"
#include "attest/broker/sessions.hpp"
#include "attest/broker/sev_launches.hpp"
#include "attest/broker/store.hpp"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "crypto/ec.hpp"
#include "crypto/hash.hpp"

namespace bartizan::broker {

struct Request {
  std::string method, path, cookie, authorization, address;
  Bytes body;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string set_cookie;
  SecretBytes body;  // may hold a JWE or an audit: never logged
};

class Service {
 public:
  struct Options {
    std::function<int64_t()> clock;
    LogSink log;
    crypto::Sha256Digest admin_token_hash{};
    std::vector<Bytes> sev_roots;  // trusted beside AMD's own
  };
  static Result<std::unique_ptr<Service>> create(Store store, Options options);

  Reply answer(const Request& request);

 private:
  Service(Store store, Options options, crypto::EcKey token_key)
      : store_(std::move(store)),
        options_(std::move(options)),
        token_key_(std::move(token_key)),
        sev_launches_(store_, sessions_, std::move(options_.sev_roots)) {}

  Result<Reply> route(const Request& request);
  Result<Reply> auth(const Request& request);
  Result<Reply> attest(const Request& request);
  Result<Reply> sev_launch(const Request& request, std::string_view below);
  Result<Reply> get_resource(const Request& request, const std::string& path);
  Result<Reply> put_resource(const Request& request, const std::string& path);
  Result<Reply> put_workload(const Request& request);
  Result<Reply> audit(const Request& request, const std::string& workload_id);

  Result<void> require_admin(const Request& request) const;
  Result<VerifiedEvidence> appraise(const Workload& workload, const Evidence& evidence,
                                    ByteView report_data);
  void log_refusal(const Request& request, const Error& error) const;

  Store store_;
  Options options_;
  crypto::EcKey token_key_;
  Sessions sessions_;
  SevLaunches sev_launches_;  // uses the store and the sessions
  RateLimit rate_limit_;
};

}  // namespace bartizan::broker
