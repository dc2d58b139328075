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
#include "base/units.hpp"

namespace bartizan::attest::broker {

// Refusals kept for each workload: a guest that keeps knocking must not fill the disk.
constexpr int kMaxRefusals = 100;
// Entries of the chain for each workload that keep the evidence itself; older ones have its hash.
constexpr int kMaxKeptEvidence = 100;
// Refusals of each workload that keep the evidence: strangers choose how large it is.
constexpr int kMaxRefusedEvidence = 10;
// Of a text that a peer chose, and of evidence; a genuine chain of AMD's makes 25 KiB.
constexpr size_t kMaxAuditText = 4096, kMaxAuditEvidence = 64 * kKiB;
// Of a workload, newest first, in one answer.
constexpr int kMaxAuditAnswer = 20'000;

// What an owner changed, as kinds of entries.
constexpr const char *kRegistered = "registered", *kReplaced = "registered, replacing another",
                     *kRemoved = "removed", *kKeyRotated = "key rotated",
                     *kExpirySet = "expiry set", *kTokenCreated = "token created",
                     *kTokenRevoked = "token revoked";

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
// Bytes of a peer that are not UTF-8 are replaced, long texts cut, larger evidence left out.
AuditEntry clean(AuditEntry entry);

// What an entry of the chain holds of `previous`, the one before: SHA-256 over both.
Bytes chained(ByteView previous, int64_t number, const AuditEntry& entry, ByteView evidence_hash);

struct AuditChain {
  int64_t entries = 0;
  // Decisions and changes that the chain does not hold: of a store from before it, or put in.
  int64_t outside = 0;
  Bytes head;  // 32 bytes; to be kept elsewhere, where a removed tail is to be found too
};

// Whom a decision is about, for the log; no workload: no decision.
struct Subject {
  std::string workload_id;
  Tee tee = Tee::none;
};

}  // namespace bartizan::attest::broker
