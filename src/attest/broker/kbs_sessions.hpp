// Sessions: from /auth to the last resource, in memory. A session's nonce serves one /attest, good
// or bad. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "attest/broker/store.hpp"
#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/mutex.hpp"

namespace bartizan::attest::broker {

// From /auth on: the life of a nonce, of the right to fetch the disk key, and of a SEV launch that
// waits for its owner's judgement.
constexpr int64_t kKbsSessionSeconds = 300;
// Whoever opens sessions without end pushes out the oldest ones, not the broker's memory; with the
// limit of requests for an address it takes them most of a minute, and an exchange takes seconds.
constexpr size_t kMaxSessions = 4096;

struct SevLaunch;

// Moving JSON may throw by its declaration; nothing here asks for a move that must not.
struct KbsSession {  // NOLINT(bugprone-exception-escape)
  Tee tee = Tee::none;
  std::string nonce;        // standard base64 of 32 random bytes
  bool consumed = false;    // its nonce has been shown to /attest
  std::string workload_id;  // after a good /attest
  JudgedBy judged;          // by a good /attest; what is released is of this registration
  Json tee_public_key;
  std::shared_ptr<const SevLaunch> sev;  // of a SEV launch, which has no other use for a session
};

class KbsSessions {
 public:
  struct Opened {
    std::string id, nonce;
    int64_t expires = 0;
  };
  Result<Opened> open(Tee tee, int64_t now);

  // Takes the nonce: the second caller gets nothing, as for an unknown or expired session.
  std::optional<KbsSession> consume(const std::string& id, int64_t now);
  void bind(const std::string& id, const KbsSession& attested);
  std::optional<KbsSession> attested(const std::string& id, int64_t now);

 private:
  struct Entry {  // NOLINT(bugprone-exception-escape): as above
    KbsSession session;
    int64_t expires = 0;
  };
  Entry* find(const std::string& id, int64_t now) BARTIZAN_REQUIRES(mutex_);
  void make_room(int64_t now) BARTIZAN_REQUIRES(mutex_);

  Mutex mutex_;
  std::map<std::string, Entry> entries_ BARTIZAN_GUARDED_BY(mutex_);
  // The same ids, oldest first.
  std::multimap<int64_t, std::string> by_expiry_ BARTIZAN_GUARDED_BY(mutex_);
};

}  // namespace bartizan::attest::broker
