#include "attest/broker/kbs_sessions.hpp"

#include "base/bytes.hpp"
#include "base/errors.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::broker {

Result<KbsSessions::Opened> KbsSessions::open(Tee tee, int64_t now) {
  Bytes id(16), nonce(32);
  TRY(crypto::random_bytes(id));
  TRY(crypto::random_bytes(nonce));
  Opened opened{to_hex(id), to_base64(nonce), now + kKbsSessionSeconds};
  Entry entry;
  entry.session.tee = tee;
  entry.session.nonce = opened.nonce;
  entry.expires = opened.expires;

  MutexLock lock(mutex_);
  make_room(now);
  entries_.emplace(opened.id, std::move(entry));
  by_expiry_.emplace(opened.expires, opened.id);
  return opened;
}

void KbsSessions::make_room(int64_t now) {
  while (!by_expiry_.empty() &&
         (by_expiry_.begin()->first <= now || entries_.size() >= kMaxSessions)) {
    entries_.erase(by_expiry_.begin()->second);
    by_expiry_.erase(by_expiry_.begin());
  }
}

KbsSessions::Entry* KbsSessions::find(const std::string& id, int64_t now) {
  auto found = entries_.find(id);
  return found == entries_.end() || found->second.expires <= now ? nullptr : &found->second;
}

std::optional<KbsSession> KbsSessions::consume(const std::string& id, int64_t now) {
  MutexLock lock(mutex_);
  Entry* entry = find(id, now);
  if (!entry || entry->session.consumed) return std::nullopt;
  entry->session.consumed = true;
  return entry->session;
}

void KbsSessions::bind(const std::string& id, const KbsSession& attested) {
  MutexLock lock(mutex_);
  auto found = entries_.find(id);
  if (found != entries_.end()) found->second.session = attested;
}

std::optional<KbsSession> KbsSessions::attested(const std::string& id, int64_t now) {
  MutexLock lock(mutex_);
  Entry* entry = find(id, now);
  if (!entry || entry->session.workload_id.empty()) return std::nullopt;
  return entry->session;
}

}  // namespace bartizan::attest::broker
