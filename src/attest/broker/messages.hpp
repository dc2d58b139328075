// The JSON bodies that the broker takes, as values. All `corrupt` or `invalid_argument` when
// malformed.
#pragma once

#include <string>

#include "attest/broker/store.hpp"
#include "attest/sev/launch.hpp"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"

namespace bartizan::attest::broker {

// POST /auth. protocol: another version; unsupported: a TEE whose evidence we cannot verify.
Result<Tee> parse_auth(ByteView body);

// POST /attest.
struct AttestMessage {  // NOLINT(bugprone-exception-escape): moving Json has checks of its own
  std::string nonce;
  Json tee_public_key;  // normalised: only the members that are hashed
  std::string additional_evidence;
  std::string primary_evidence;  // JSON text
  std::string statement;         // JWS of the owner (attest/evidence/workload_statement.hpp), or ""
};
Result<AttestMessage> parse_attest(ByteView body);

// The two requests of attest/sev/launch.hpp. unsupported: another TEE than sev and sev-es.
struct SevOpenMessage {
  Tee tee = Tee::sev_es;
  Bytes workload_digest;  // 32 bytes
  uint32_t policy = 0;
  sev::Firmware firmware;
  Bytes certificates;
};
Result<SevOpenMessage> parse_sev_open(ByteView body);
Result<SevMeasurement> parse_sev_measured(ByteView body);

// POST /bartizan/v1/workloads, and what register_workload() sends.
struct RegistrationMessage {
  Workload workload;
  bool replace = false;  // an earlier one of the same id
};
Result<RegistrationMessage> parse_registration(ByteView body);
Result<SecretBytes> write_registration(const Workload& workload, bool replace);

// PUT /bartizan/v1/workloads/…/key: the key's bytes.
Result<SecretBytes> disk_key_of(ByteView body);
Result<void> check_disk_key(const SecretBytes& key);

// PUT /bartizan/v1/workloads/…/expiry: {"expires": seconds since the epoch, 0: never}.
Result<int64_t> parse_expiry(ByteView body);

// POST /bartizan/v1/tokens: {"name", "scope", "expires": as above}; without hash and time.
Result<AdminToken> parse_token_request(ByteView body);
Json public_part(const AdminToken& token);
// What answers it, with the token itself; and the token out of that, which is wiped.
SecretBytes token_reply(const AdminToken& token, const SecretBytes& text);
Result<SecretBytes> token_of_reply(std::string reply);

// GET /bartizan/v1/workloads/… and /bartizan/v1/workloads: no secret.
Result<Json> public_part(const Registration& registration);
Result<Json> list_of(const std::vector<Registration>& registrations);

}  // namespace bartizan::attest::broker
