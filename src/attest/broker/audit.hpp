// The audit: what was decided about guests, and what owners changed. Entries of trusted events
// (keys allowed, registrations changed) form a chain: each holds the SHA-256 of the one before, so
// that a changed, removed or inserted one is found, and none is ever displaced. Refusals are
// strangers' to cause: the same one again is counted, and a workload has the latest of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"
#include "base/bytes.hpp"

namespace bartizan::attest::broker {

// Refusals kept for each workload: a guest that keeps knocking must not fill the disk.
constexpr int kMaxRefusals = 100;
// Entries of the chain for each workload that keep the evidence itself; older ones have its hash.
constexpr int kMaxKeptEvidence = 100;
// Of a text that a peer chose.
constexpr size_t kMaxAuditText = 4096;

struct AuditEntry {
  std::string workload_id;
  Bytes digest;  // of the workload, or none
  int64_t time = 0;
  // "allowed", "refused"; "registered", "replaced", "removed", "key rotated", "expiry set"
  std::string kind;
  std::string reason, expected, got, address;
  std::string evidence = "null";  // JSON as the guest sent it
  std::string token = {};         // name of that by which an owner made the change
};

AuditEntry entry_about(const std::string& workload_id, const Bytes& digest,
                       const std::string& address, int64_t time);
// `refusal` null: allowed.
AuditEntry decision_of(AuditEntry about, const Error* refusal, std::string evidence);
// Bytes of a peer that are not UTF-8 are replaced, long texts cut.
AuditEntry clean(AuditEntry entry);

// What an entry of the chain holds of `previous`, the one before: SHA-256 over both.
Bytes chained(ByteView previous, int64_t number, const AuditEntry& entry, ByteView evidence_hash);

struct AuditChain {
  int64_t entries = 0;
  Bytes head;  // 32 bytes; to be kept elsewhere, where a removed tail is to be found too
};

// Whom a decision is about, for the log; no workload: no decision.
struct Subject {
  std::string workload_id;
  Tee tee = Tee::none;
};

}  // namespace bartizan::attest::broker
