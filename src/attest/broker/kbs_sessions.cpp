#include "attest/broker/kbs_sessions.hpp"

#include <algorithm>

#include "attest/https/fair_share.hpp"
#include "base/bytes.hpp"
#include "base/errors.hpp"
#include "crypto/hash.hpp"
#include "crypto/sev_primitives.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr size_t kNumberSize = 16, kExpirySize = 8;
constexpr size_t kTicketSize = kNumberSize + kExpirySize + 1;  // and the TEE
constexpr size_t kMacSize = 32;
constexpr size_t kKeySize = 32;

// One key, two uses: the message of each begins with another word.
Result<crypto::Sha256Digest> keyed_hash(ByteView key, std::string_view use, ByteView ticket) {
  Bytes message(use.begin(), use.end());
  message.insert(message.end(), ticket.begin(), ticket.end());
  return crypto::hmac_sha256(key, message);
}

Bytes make_ticket(ByteView number, int64_t expires, Tee tee) {
  Bytes ticket(number.begin(), number.end());
  for (size_t i = 0; i < kExpirySize; ++i)
    ticket.push_back(static_cast<uint8_t>(static_cast<uint64_t>(expires) >> (8 * i)));
  ticket.push_back(static_cast<uint8_t>(tee));
  return ticket;
}

}  // namespace

KbsSessions::KbsSessions(SecretBytes key, size_t sessions, size_t used_ids)
    : key_(std::move(key)), most_used_(used_ids), attested_(sessions) {}
// Before it is used, so without its contents.
KbsSessions::KbsSessions(KbsSessions&& other) noexcept
    : key_(std::move(other.key_)),
      most_used_(other.most_used_),
      attested_(std::move(other.attested_)) {}

Result<KbsSessions> KbsSessions::create(size_t sessions, size_t used_ids) {
  SecretBytes key = TRY(crypto::random_secret(kKeySize));
  return KbsSessions(std::move(key), sessions, used_ids);
}

Result<std::string> KbsSessions::nonce_of(ByteView ticket) const {
  return to_base64(TRY(keyed_hash(key_.bytes(), "nonce", ticket)));
}

Result<KbsSessions::Opened> KbsSessions::open(Tee tee, int64_t now) const {
  Bytes number(kNumberSize);
  TRY(crypto::random_bytes(number));
  Bytes ticket = make_ticket(number, now + kKbsSessionSeconds, tee);
  std::string nonce = TRY(nonce_of(ticket));
  crypto::Sha256Digest mac = TRY(keyed_hash(key_.bytes(), "cookie", ticket));
  ticket.insert(ticket.end(), mac.begin(), mac.end());
  return Opened{to_base64(ticket, Base64::url), std::move(nonce), now + kKbsSessionSeconds};
}

// Nothing: not ours.
Result<std::optional<KbsSessions::Ticket>> KbsSessions::ticket_of(const std::string& id) const {
  auto bytes = from_base64(id, Base64::url);
  if (!bytes.ok() || bytes->size() != kTicketSize + kMacSize) return std::optional<Ticket>();
  ByteView ticket = ByteView(*bytes).first(kTicketSize);
  crypto::Sha256Digest mac = TRY(keyed_hash(key_.bytes(), "cookie", ticket));
  if (!crypto::equal_constant_time(mac, ByteView(*bytes).subspan(kTicketSize)))
    return std::optional<Ticket>();
  Ticket read;
  read.number = to_hex(ticket.first(kNumberSize));
  uint64_t expires = 0;
  for (size_t i = kExpirySize; i-- > 0;) expires = expires << 8 | ticket[kNumberSize + i];
  read.expires = static_cast<int64_t>(expires);
  read.tee = static_cast<Tee>(ticket.back());
  read.nonce = TRY(nonce_of(ticket));
  return std::optional<Ticket>(std::move(read));
}

void KbsSessions::forget_expired(int64_t now) {
  while (!used_by_expiry_.empty() && used_by_expiry_.begin()->first <= now) {
    auto used = used_.find(used_by_expiry_.begin()->second);
    auto address = used_by_address_.find(used->second.address);
    if (--address->second == 0) used_by_address_.erase(address);
    used_.erase(used);
    used_by_expiry_.erase(used_by_expiry_.begin());
  }
}

Result<std::optional<KbsSession>> KbsSessions::consume(const std::string& id, int64_t now,
                                                       const std::string& address) {
  std::optional<Ticket> ticket = TRY(ticket_of(id));
  if (!ticket || ticket->expires <= now) return std::optional<KbsSession>();
  MutexLock lock(mutex_);
  forget_expired(now);
  if (used_.count(ticket->number) != 0) return std::optional<KbsSession>();
  auto own = used_by_address_.find(address);
  if (!https::within_fair_share(own == used_by_address_.end() ? 0 : own->second, used_.size(),
                                most_used_, kUsedIdsDivisor)) {
    return make_error(ErrorCode::resource_exhausted, "attest/broker",
                      "too many attempts to attest from this address in {} s", kKbsSessionSeconds);
  }
  used_.emplace(ticket->number, Used{address, ticket->expires});
  used_by_expiry_.emplace(ticket->expires, ticket->number);
  used_by_address_[address] += 1;
  KbsSession session;
  session.tee = ticket->tee;
  session.nonce = ticket->nonce;
  session.token_id = ticket->number;
  session.expires = now + kKbsSessionSeconds;
  return std::optional<KbsSession>(std::move(session));
}

void KbsSessions::bind(const std::string&, const KbsSession& attested) {
  MutexLock lock(mutex_);
  attested_.put(attested.token_id, attested.workload_id, attested.expires, attested,
                attested.expires - kKbsSessionSeconds);
}

std::optional<KbsSession> KbsSessions::attested(const std::string& id, int64_t now) {
  auto ticket = ticket_of(id);
  if (!ticket.ok() || !ticket->has_value()) return std::nullopt;
  return attested_by_token((*ticket)->number, now);
}

std::optional<KbsSession> KbsSessions::attested_by_token(const std::string& token_id, int64_t now) {
  MutexLock lock(mutex_);
  KbsSession* session = attested_.find(token_id, now);
  if (session == nullptr) return std::nullopt;
  return *session;
}

}  // namespace bartizan::attest::broker
