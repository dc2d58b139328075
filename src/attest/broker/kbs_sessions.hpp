// Sessions: from /auth to the last resource. Until /attest the broker remembers nothing: the cookie
// holds id, expiry and TEE under a MAC with a key that is drawn at the start, and the nonce is
// computed from it. So nobody can push out a session by opening others. A session's nonce serves
// one /attest, good or bad: ids that were shown there are remembered until they expire, each
// address having a fair share of the space for them. Those that attested are kept. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "attest/broker/fair_table.hpp"
#include "attest/broker/store.hpp"
#include "bartizan/result.hpp"
#include "bartizan/secret_bytes.hpp"
#include "bartizan/tee.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/mutex.hpp"

namespace bartizan::attest::broker {

// The life of a nonce; and, from /attest on, of the right to fetch the disk key.
constexpr int64_t kKbsSessionSeconds = 300;
// Attested sessions. Full means that the workload with most of them loses its oldest.
constexpr size_t kMaxSessions = 4096;
// Ids that were shown to /attest and have not expired, some 100 bytes each. Whoever has taken more
// than a 16th of what is free gets no further attempt; none is ever forgotten early.
constexpr size_t kMaxUsedIds = 262'144;
constexpr size_t kUsedIdsDivisor = 16;

// Moving JSON may throw by its declaration; nothing here asks for a move that must not.
struct KbsSession {  // NOLINT(bugprone-exception-escape)
  Tee tee = Tee::none;
  std::string nonce;     // standard base64 of 32 bytes
  std::string token_id;  // by which a token finds the session; opens nothing by itself
  int64_t expires = 0;
  std::string workload_id;  // after a good /attest
  JudgedBy judged;          // by a good /attest; what is released is of this registration
  Json tee_public_key;
};

class KbsSessions {
 public:
  struct Opened {
    std::string id;  // the cookie's value
    std::string nonce;
    int64_t expires = 0;
  };
  // Draws the key. `sessions` and `used_ids` are bounds.
  static Result<KbsSessions> create(size_t sessions = kMaxSessions, size_t used_ids = kMaxUsedIds);
  KbsSessions(KbsSessions&&) noexcept;

  Result<Opened> open(Tee tee, int64_t now) const;

  // Takes the nonce. Nothing: not ours, expired, or shown before. resource_exhausted: this address
  // (as group_of() has it) has had its share of attempts.
  Result<std::optional<KbsSession>> consume(const std::string& id, int64_t now,
                                            const std::string& address = {});
  // After consume(): it may fetch its resource from now on, for kKbsSessionSeconds since then.
  void bind(const std::string& id, const KbsSession& attested);
  std::optional<KbsSession> attested(const std::string& id, int64_t now);
  std::optional<KbsSession> attested_by_token(const std::string& token_id, int64_t now);

 private:
  // What the cookie says.
  struct Ticket {
    std::string number;  // hex: unique, and public
    Tee tee = Tee::none;
    int64_t expires = 0;
    std::string nonce;
  };
  struct Used {
    std::string address;
    int64_t expires = 0;
  };
  KbsSessions(SecretBytes key, size_t sessions, size_t used_ids);
  Result<std::string> nonce_of(ByteView ticket) const;
  Result<std::optional<Ticket>> ticket_of(const std::string& id) const;
  void forget_expired(int64_t now) BARTIZAN_REQUIRES(mutex_);

  SecretBytes key_;
  size_t most_used_;
  Mutex mutex_;
  FairTable<KbsSession> attested_ BARTIZAN_GUARDED_BY(mutex_);    // by token_id, owned by workloads
  std::map<std::string, Used> used_ BARTIZAN_GUARDED_BY(mutex_);  // by number
  std::multimap<int64_t, std::string> used_by_expiry_ BARTIZAN_GUARDED_BY(mutex_);
  std::map<std::string, size_t> used_by_address_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::attest::broker
