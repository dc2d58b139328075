#include "attest/broker/audit.hpp"

#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::broker {
namespace {

// nlohmann::json throws at text that is not UTF-8, and SQLite keeps whatever it is given.
std::string utf8(std::string text) {
  if (text.size() > kMaxAuditText) text.resize(kMaxAuditText);
  return Json::parse(json_quoted(text)).get<std::string>();
}

void add_number(crypto::Hasher& hasher, int64_t number) {
  uint8_t bytes[8];
  store_le<uint64_t>(bytes, static_cast<uint64_t>(number));
  hasher.update(bytes);
}

void add_text(crypto::Hasher& hasher, ByteView text) {
  add_number(hasher, static_cast<int64_t>(text.size()));
  hasher.update(text);
}

}  // namespace

AuditEntry entry_about(const std::string& workload_id, const Bytes& digest,
                       const std::string& address, int64_t time) {
  AuditEntry entry;
  entry.workload_id = workload_id;
  entry.digest = digest;
  entry.address = address;
  entry.time = time;
  return entry;
}

AuditEntry decision_of(AuditEntry entry, const Error* refusal, std::string evidence) {
  entry.kind = refusal == nullptr ? "allowed" : "refused";
  entry.evidence = std::move(evidence);
  if (refusal == nullptr) return entry;
  entry.reason = refusal->reason.empty() ? std::string(to_string(refusal->code)) : refusal->reason;
  entry.expected = refusal->expected;
  entry.got = refusal->got;
  // Of a message that is none: what is wrong with it.
  if (entry.expected.empty() && entry.got.empty()) entry.got = refusal->message;
  return entry;
}

AuditEntry clean(AuditEntry entry) {
  for (std::string* text :
       {&entry.workload_id, &entry.reason, &entry.expected, &entry.got, &entry.address})
    *text = utf8(std::move(*text));
  if (entry.evidence.size() > kMaxAuditEvidence) entry.evidence = "null";
  return entry;
}

Bytes chained(ByteView previous, int64_t number, const AuditEntry& entry, ByteView evidence_hash) {
  crypto::Hasher hasher(crypto::HashKind::sha256);
  add_text(hasher, previous);
  add_number(hasher, number);
  add_number(hasher, entry.time);
  add_text(hasher, entry.digest);
  for (const std::string* text : {&entry.workload_id, &entry.kind, &entry.reason, &entry.expected,
                                  &entry.got, &entry.address})
    add_text(hasher, as_bytes(*text));
  add_text(hasher, evidence_hash);
  // Entries from before tokens had names have none, and their hashes stay.
  if (!entry.token.empty()) add_text(hasher, as_bytes(entry.token));
  return hasher.finish();
}

}  // namespace bartizan::attest::broker
