// The JSON bodies that the broker takes, as values. All `corrupt` or `invalid_argument` when
// malformed.
#pragma once

#include <string>

#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"

namespace bartizan::broker {

// POST /auth. protocol: another version; unsupported: a TEE whose evidence we cannot verify.
Result<Tee> parse_auth(ByteView body);

// POST /attest.
struct AttestMessage {
  std::string nonce;
  Json tee_public_key;  // normalised: only the members that are hashed
  std::string additional_evidence;
  std::string primary_evidence;  // JSON text
};
Result<AttestMessage> parse_attest(ByteView body);

// POST /bartizan/v1/workloads, and what register_workload() sends.
Result<Workload> parse_workload(ByteView body);
Result<SecretBytes> write_workload(const Workload& workload);

}  // namespace bartizan::broker
