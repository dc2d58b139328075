// Service: what the broker answers, without sockets. Guests' side: KBS 0.4.0. Side of hosts that
// launch SEV guests: sev_launches. Owner's side: resources, workloads, audit, under the admin
// token. Any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "attest/broker/kbs_sessions.hpp"
#include "attest/broker/messages.hpp"
#include "attest/broker/sev_launches.hpp"
#include "attest/broker/store.hpp"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "crypto/ec.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::broker {

struct BrokerRequest {
  std::string method, path, cookie, authorization, address;
  Bytes body;
};

struct BrokerReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string set_cookie;
  SecretBytes body;  // may hold a JWE or an audit: never logged
  // Of a refusal, for counting: one of a bounded set of words, none of a peer.
  std::string reason = {};
};

class Service {
 public:
  struct Options {
    std::function<int64_t()> clock;
    LogSink log;
    crypto::Sha256Digest admin_token_hash{};
    std::vector<Bytes> sev_roots;           // trusted beside AMD's own
    std::filesystem::path collateral = {};  // EvidencePolicy::collateral
  };
  static Result<std::unique_ptr<Service>> create(Store store, Options options);

  BrokerReply answer(const BrokerRequest& request);
  // The store can be read.
  Result<void> check_ready();

 private:
  Service(Store store, Options options, crypto::EcKey token_key, KbsSessions sessions)
      : store_(std::move(store)),
        options_(std::move(options)),
        token_key_(std::move(token_key)),
        sessions_(std::move(sessions)),
        sev_launches_(store_, std::move(options_.sev_roots)) {}

  // Those that decide about a guest set the subject as soon as they know it.
  Result<BrokerReply> route(const BrokerRequest& request, Subject& subject);
  Result<BrokerReply> route_admin(const BrokerRequest& request);
  Result<BrokerReply> auth(const BrokerRequest& request);
  Result<BrokerReply> attest(const BrokerRequest& request, Subject& subject);
  Result<BrokerReply> sev_launch(const BrokerRequest& request, std::string_view below,
                                 Subject& subject);
  Result<BrokerReply> get_resource(const BrokerRequest& request, const std::string& path,
                                   Subject& subject);
  Result<BrokerReply> put_resource(const BrokerRequest& request, const std::string& path);
  Result<BrokerReply> put_workload(const BrokerRequest& request);
  Result<BrokerReply> list_workloads(const BrokerRequest& request);
  // `reference`: Store::find().
  Result<BrokerReply> show_workload(const BrokerRequest& request, const std::string& reference);
  Result<BrokerReply> remove_workload(const BrokerRequest& request, const std::string& reference);
  Result<BrokerReply> rotate_key(const BrokerRequest& request, const std::string& reference);
  Result<BrokerReply> set_expiry(const BrokerRequest& request, const std::string& reference);
  Result<BrokerReply> audit(const BrokerRequest& request, const std::string& reference);

  // By its cookie, or else by the token of its /attest.
  std::optional<KbsSession> attested_session(const BrokerRequest& request);
  Result<Store::Signed> by_digest(ByteView host_data, int64_t now);
  Result<Store::Signed> registration_for(const BrokerRequest& request, const AttestMessage& message,
                                         ByteView host_data);
  Result<BrokerReply> route_tokens(const BrokerRequest& request);
  Result<BrokerReply> create_token(const BrokerRequest& request);
  Result<BrokerReply> list_tokens(const BrokerRequest& request);
  Result<BrokerReply> revoke_token(const BrokerRequest& request, const std::string& name);
  // The name of the token that came. permission_denied: none, one that is not known or has expired,
  // or one of a lesser scope, which the error names.
  Result<std::string> authorize(const BrokerRequest& request, TokenScope needed);
  Result<VerifiedEvidence> appraise(const Workload& workload, const Evidence& evidence,
                                    ByteView report_data);
  void log_decision(const BrokerRequest& request, const Subject& subject,
                    const Error* refusal) const;
  Store::Who who(const BrokerRequest& request, const std::string& token) const;
  // What an administrator changed, which the audit has.
  void log_change(const BrokerRequest& request, const std::string& token, const char* kind,
                  const Workload& workload) const;
  void log_token(const BrokerRequest& request, const std::string& by, const char* kind,
                 const std::string& what) const;

  Store store_;
  Options options_;
  crypto::EcKey token_key_;
  KbsSessions sessions_;
  SevLaunches sev_launches_;  // uses the store
};

}  // namespace bartizan::attest::broker
